// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"time"

	"utmpd.dev/utmpd/internal/status"
	"utmpd.dev/utmpd/internal/version"
)

// setStatus has the status written, if it changed. more says that more is likely to change at
// once.
func (d *daemon) setStatus(s status.State, more bool) {
	c := d.table.Counts()
	now := status.Status{
		State: s, PID: d.pid, Version: version.String(), Started: d.started,
		UtmpxFile: d.cfg.UtmpxFile, WtmpxFile: d.cfg.WtmpxFile,
		Sessions: c.Sessions, Watched: c.Watched, Unwatched: c.Unwatched,
		Dying: c.Dying, Cleaned: c.Cleaned, LogoutsOwed: c.Owed, Waiting: c.Waiting,
		Backend:  d.backend(),
		LastScan: d.reading.last, LastClean: d.lastClean,
		Missing: d.missing, UtmpxError: d.reading.err,
		Hangs:  joinNonEmpty(d.hangs.String(), d.checkPace()),
		DryRun: d.flags.dryRun, WouldClean: d.wouldClean,
		Within: d.cfg.ScanPeriod, Looked: d.reading.looked,
	}
	now.LogLines, now.LogError = d.log.failing()
	if why := d.noNotices.Load(); why != nil {
		now.NoticeError = *why
	}
	now.LastHeartbeat, _ = d.heart.Last()
	if d.bridge != nil {
		s := d.bridge.state.Load()
		now.HasLogind = s.known || s.was
		now.Logins, now.LogindError, now.Recorded = s.logins, s.err, len(*d.bridge.own.Load())
	}
	if d.pipe != nil {
		r := d.pipe.Stats()
		now.HasPipe, now.Requests, now.BadRequests = true, r.Requests, r.BadCommands+r.BadPIDs+r.Partials
	}
	now.Metrics = d.setMetrics(now)
	d.status.Set(now, more)
}

func (d *daemon) backend() string {
	_, backend := d.watcher.Stats()
	return backend
}

// writeStatus writes RUN_DIR/status, and RUN_DIR/metrics if they are due, and sends STATUS=
// to the service manager. status.Writer calls it in its own goroutine.
func (d *daemon) writeStatus(s status.Status) error {
	defer d.readiness.saw(s.State)
	_ = d.systemd.Status(s.Summary())
	if d.runDir == "" {
		return nil
	}
	done := d.pace.begin("writing the status", slow)
	defer done()
	return errors.Join(d.meter.flush(), status.Write(d.statusFile, s, time.Now()))
}
