// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"fmt"
	"log/slog"
	"strings"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/table"
)

// settings are those in force. A reload changes the reloadable ones alone.
type settings struct {
	config.Config
	file string // that -config names, "" for the default
	log  *slog.Logger
}

// reload reads the file again and puts its reloadable settings in force. It
// reports false, and changes nothing, if the file has any fault: the settings in
// force are better than half of the new ones.
func (s *settings) reload() bool {
	cfg, warnings, err := config.Load(s.file)
	if err != nil {
		s.log.Error("configuration not read: the old settings stay in force", "error", err)
		return false
	}
	if len(warnings) > 0 {
		for _, w := range warnings {
			logWarning(s.log, w, w.Text) // no value is used instead
		}
		s.log.Error("configuration has faults: the old settings stay in force", "faults", len(warnings))
		return false
	}
	if keys := s.Changed(cfg.Fixed); keys != nil {
		s.log.Warn("configuration: these keys change at the next start only", "keys", strings.Join(keys, " "))
	}
	s.Reloadable = cfg.Reloadable
	return true
}

func logWarnings(log *slog.Logger, warnings []config.Warning) {
	for _, w := range warnings {
		logWarning(log, w, w.Problem())
	}
}

func logWarning(log *slog.Logger, w config.Warning, problem string) {
	log.Warn("configuration", "at", fmt.Sprintf("%s:%d", w.File, w.Line), "problem", problem)
}

// reload puts the settings of a changed file in force in all rooms.
func (d *daemon) reload() {
	defer d.readiness.reloading()()
	if !d.cfg.reload() {
		return
	}
	set := d.cfg.Reloadable
	d.scanner.SetPeriod(set.ScanPeriod)
	d.heart.SetPeriod(set.WtmpxUpdateFreq)
	d.watcher.SetLimit(d.watchLimit())
	d.handleNow(table.Configured{Settings: tableSettings(set)})
	d.log.Info("configuration read again", "SCAN_PERIOD", set.ScanPeriod, "MAX_FDS", set.MaxFDs,
		"WTMPX_UPDATE_FREQ", set.WtmpxUpdateFreq, "GRACE_PERIOD", set.GracePeriod, "KEEP_BUSY_LINES", set.KeepBusyLines)
}

func tableSettings(set config.Reloadable) table.Settings {
	return table.Settings{Grace: set.GracePeriod, KeepBusyLines: set.KeepBusyLines}
}
