// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"errors"
	"io/fs"
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
	if d.missing = strings.Join(d.on.missing(d.cfg.Fixed, d.flags.dryRun, d.toucher != nil), "; "); d.missing != "" {
		args = append(args, "missing", d.missing)
	}
	d.log.Info("utmpd started", args...)
	d.missing = strings.Trim(d.missing+"; "+d.older, "; ")
	if _, why := d.log.failing(); why != "" {
		d.log.Warn("the log goes nowhere: the status has its last lines", "error", why)
	}
	go d.logDamage()
}

// damageWithin is how many of the wtmpx file's last records are looked at for damage.
const damageWithin = 1024

// logDamage logs what is wrong with the wtmpx file: that it takes no records, or where its
// end is damaged. Gigabytes of damage take long to read, and a file system may hang. Nobody
// waits for it: neither the start, nor the end.
func (d *daemon) logDamage() {
	if err := d.wtmpx.Takes(); recfile.TakesNothing(err) {
		d.cleaner.LogRefuses(err)
	}
	log := logs.New(d.cfg.WtmpxFile, logs.Options{System: d.on.files, Detector: d.wtmpx.Detector()})
	f, err := log.Open(context.Background(), log.Name())
	switch {
	case errors.Is(err, fs.ErrNotExist), recfile.TakesNothing(err):
		return
	case err != nil:
		d.log.Warn("the wtmpx file cannot be read", "error", err)
		return
	}
	defer f.Close()
	last, more, from, err := damageAtEnd(f)
	select {
	case <-d.done: // with the log
		return
	default:
	}
	switch {
	case last != nil:
		d.log.Warn("the wtmpx file is damaged; what is around the damage is read, nothing needs to be done",
			"error", last, "more places", more, "looked from byte", from)
	case err != nil:
		d.log.Warn("the wtmpx file cannot be read", "error", err)
	}
}

// damageAtEnd looks at the last records of a file, back to the byte from. It returns the
// last damaged place, and how many more there are. err is what kept it from reading on.
func damageAtEnd(f *logs.File) (last error, more int, from int64, err error) {
	left := damageWithin
	for e, err := range f.Reuse().Backward(f.End()) {
		var damage *logs.DamageError
		switch {
		case errors.As(err, &damage):
			from = damage.From
			if last == nil {
				last = err
			} else {
				more++
			}
			continue
		case err != nil:
			return last, more, from, err
		}
		from = e.Offset
		if left--; left == 0 {
			break
		}
	}
	return last, more, from, nil
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
