// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"utmpd.dev/utmpd/internal/logging"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/table"
)

// reading is what the readings of the utmpx file have brought so far.
type reading struct {
	log     *slog.Logger
	toggles *logging.Limiter // of what is wrong with the file, and right again
	file    string

	done bool               // the file was read, or could not be, at least once
	snap *snapshot.Snapshot // which the table goes by
	last time.Time          // when the reading of snap began

	looked  time.Time // when the last reading began, good or not
	err     string    // of the last reading, "" if it had none
	missing bool      // which was that there is no file yet
}

// scanned takes in a reading. It returns an error if utmpd must end: the file is a log
// now, or out of reach.
func (d *daemon) scanned(ev scanner.Event) error {
	if err := d.files.checkScan(ev, d.names.look); err != nil {
		return err
	}
	d.takeScan(ev)
	if ev.Periodic {
		d.logins.periodic()
	}
	if !ev.Periodic && ev.Err == nil {
		return nil
	}
	return d.names.look(func() error {
		defer d.pace.begin("looking up the directories", slow)()
		if ev.Periodic {
			d.logins.notifier.Renew()
		}
		return d.displaced()
	})
}

// takeScan hands a reading to the table, unless the file could not be read: then
// what is known of its records stays in use.
func (d *daemon) takeScan(ev scanner.Event) {
	ok := d.reading.take(ev)
	d.meter.scanned(ok)
	if !ok {
		if ev.Periodic {
			d.handleNow(table.NotRead{})
		}
		return
	}
	began := ev.Began.Sub(d.started) // not moment's, which is never before the last event
	d.handleNow(table.Scanned{Snapshot: ev.Snapshot, Began: began, Periodic: ev.Periodic})
	if d.bridge != nil {
		d.bridge.recorder.Wake()
	}
}

// take logs and keeps a reading. It reports false for a file that could not be
// read for now, which is not an empty one. A file that is not there has no records.
func (r *reading) take(ev scanner.Event) (ok bool) {
	ok = ev.Err == nil || errors.Is(ev.Err, fs.ErrNotExist) || errors.Is(ev.Err, recfile.ErrEmpty) || errors.Is(ev.Err, recfile.ErrTooLong)
	if ok {
		r.log.Debug("utmpx file read", "records", ev.Snapshot.Len(), "took", ev.Took, "because", r.cause(ev))
		r.last, r.snap = ev.Began, ev.Snapshot
	} else {
		r.log.Debug("utmpx file not read", "took", ev.Took, "because", r.cause(ev))
	}
	r.done, r.looked = true, ev.Began
	r.missing = errors.Is(ev.Err, fs.ErrNotExist) || errors.Is(ev.Err, recfile.ErrEmpty)
	r.setError(ev.Err)
	return ok
}

func (r *reading) cause(ev scanner.Event) string {
	switch {
	case !r.done:
		return "start"
	case ev.Periodic:
		return "SCAN_PERIOD"
	}
	return "notice"
}

// setError logs what is wrong with the file, once, and when it is right again.
func (r *reading) setError(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == r.err {
		return
	}
	r.err = text
	switch {
	case err == nil:
		r.toggles.Log(slog.LevelInfo, "can", "the utmpx file can be read", "file", r.file)
	case errors.Is(err, fs.ErrNotExist):
		r.toggles.Log(slog.LevelInfo, "missing", "no utmpx file yet: waiting for it", "file", r.file)
	case errors.Is(err, recfile.ErrTooLong):
		r.toggles.Log(slog.LevelWarn, "long", "the utmpx file is too long: the records beyond the limit are ignored", "error", err)
	default:
		r.toggles.Log(slog.LevelWarn, "cannot", "cannot read the utmpx file; what was read before stays in use", "error", err)
	}
}
