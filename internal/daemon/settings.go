// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"fmt"
	"log/slog"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/table"
)

// reload reads the configuration again and puts its reloadable settings in force.
func (d *daemon) reload() {
	defer d.readiness.reloading()()
	cfg, ok := reread(d.flags.config, d.log.Logger)
	if !ok {
		return
	}
	if cfg.Fixed != d.cfg.Fixed {
		d.log.Warn("configuration: files, directories and RUN_AS change at the next start only")
	}
	d.apply(cfg.Reloadable)
}

// reread reads the configuration, and accepts only a file without a fault: the
// settings in force are better than half of the new ones.
func reread(file string, log *slog.Logger) (cfg config.Config, ok bool) {
	cfg, warnings, err := config.Load(file)
	if err != nil {
		log.Error("configuration not read: the old settings stay in force", "error", err)
		return cfg, false
	}
	logWarnings(log, warnings)
	if len(warnings) > 0 {
		log.Error("configuration has faults: the old settings stay in force", "faults", len(warnings))
		return cfg, false
	}
	return cfg, true
}

func logWarnings(log *slog.Logger, warnings []config.Warning) {
	for _, w := range warnings {
		log.Warn("configuration", "at", fmt.Sprintf("%s:%d", w.File, w.Line), "problem", w.Text)
	}
}

// apply puts settings in force.
func (d *daemon) apply(set config.Reloadable) {
	d.cfg.Reloadable = set
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
