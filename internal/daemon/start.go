// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"errors"
	"strings"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/version"
)

// logStart logs which files utmpd works on, and what it may not do.
func (d *daemon) logStart() {
	c := d.table.Counts()
	args := []any{"version", version.String(), "utmpx", d.cfg.UtmpxFile, "wtmpx", d.cfg.WtmpxFile,
		"layout", d.layout(), "watched", c.Watched, "unwatched", c.Unwatched, "backend", d.backend()}
	if d.pipe != nil {
		args = append(args, "pipe", d.cfg.PipeFile)
	}
	if d.flags.dryRun {
		args = append(args, "writes", "nothing (-n)")
	}
	if missing := d.on.missing(d.cfg.Fixed, d.flags.dryRun, d.toucher != nil); missing != nil {
		args = append(args, "missing", strings.Join(missing, "; "))
	}
	d.log.Info("utmpd started", args...)
	if _, why := d.log.failing(); why != "" {
		d.log.Warn("the log goes nowhere: the status has its last lines", "error", why)
	}
	d.logDamage()
}

// damageWithin is how many of the wtmpx file's last records are looked at for damage.
const damageWithin = 1024

// logDamage logs what is wrong with the end of the wtmpx file: that it holds no records,
// or where it is damaged.
func (d *daemon) logDamage() {
	log := logs.New(d.cfg.WtmpxFile, logs.Options{System: d.on.files, Detector: d.wtmpx.Detector()})
	f, err := log.Open(context.Background(), log.Name())
	if err != nil {
		if errors.Is(err, recfile.ErrLayout) {
			d.log.Warn("the wtmpx file cannot be read", "error", err)
		}
		return // what else keeps it from being opened shows when it is written
	}
	defer f.Close()
	left := damageWithin
	for _, err := range f.Reuse().Backward(f.End()) {
		if logs.IsDamage(err) {
			d.log.Warn("the wtmpx file is damaged; what is around the damage is read, nothing needs to be done", "error", err)
			return
		}
		if err != nil {
			d.log.Warn("the wtmpx file cannot be read", "error", err)
			return
		}
		if left--; left == 0 {
			return
		}
	}
}

func (d *daemon) layout() string {
	l, err := d.file.Layout()
	if err != nil {
		return "unknown yet"
	}
	return l.Name()
}

// missingRights names what this process needs to do and may not. touched says that
// another one sets the access time.
func missingRights(cfg config.Fixed, dryRun, touched bool) []string {
	var missing []string
	add := func(err error, text string) {
		if err != nil {
			missing = append(missing, text)
		}
	}
	if !dryRun {
		add(writable(cfg.UtmpxFile), "write "+cfg.UtmpxFile)
		add(writable(cfg.WtmpxFile), "write "+cfg.WtmpxFile)
	}
	if !dryRun && !touched {
		add(ownerOf(cfg.WtmpxFile), "set the access time of "+cfg.WtmpxFile+" (owner or CAP_FOWNER)")
	}
	return append(missing, kernelLacks()...)
}
