// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"utmpd.dev/utmpd/internal/clock"
	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// noteBefore returns the heartbeat's note if an earlier run of utmpd in this boot has
// left it.
func (d *daemon) noteBefore() heartbeat.Note {
	if d.stateDir == "" || d.bootID == "" || d.on.clocks == nil {
		return heartbeat.Note{}
	}
	n, err := heartbeat.ReadNote(filepath.Join(d.stateDir, heartbeat.NoteFile))
	if err != nil || n.BootID != d.bootID || !heartbeat.SameStart(n.Init, d.init) || n.Up > d.on.clocks().Up {
		return heartbeat.Note{}
	}
	return n
}

func (d *daemon) clockOptions() clock.Options {
	return clock.Options{
		Read:    d.on.clocks,
		Notices: d.on.clockSet,
		Since:   clock.Reading{Wall: d.before.Time, Up: d.before.Up, Slept: d.before.Slept},
		Stepped: d.stepped,
		Resumed: d.heart.Renew, // a crash before the next beat is then told by the time after the suspend
		Failed: func(err error) {
			d.log.Warn("no notification when the clock is set: each heartbeat looks for a step", "error", err)
		},
	}
}

// stepped notes a step of the wall clock, and records it in wtmpx. The note comes
// first: if utmpd is killed in between, the record is missing, and is not written
// twice.
func (d *daemon) stepped(ctx context.Context, s clock.Step) {
	d.heart.Renew()
	d.meter.stepped(s.New)
	d.emit(input{at: time.Now()}) // for the status, which has the new time at once
	if d.on.contained {
		d.log.Info("the clock was stepped", "by", s.By(), "recorded", "no: the host of this container records it")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	log := logs.New(d.cfg.WtmpxFile, logs.Options{System: d.on.files, Detector: d.wtmpx.Detector()})
	done := d.pace.begin("recording a step of the clock in wtmpx", stepPatience+slow)
	wrote, err := d.steps.append(ctx, d.wtmpx, log, s)
	done()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.log.Info("the clock was stepped", "by", s.By(), "recorded", "no: wtmpx is missing")
	case err != nil:
		d.log.Warn("the clock was stepped, and that could not be recorded", "by", s.By(), "error", err)
	case !wrote:
		d.log.Info("the clock was stepped", "by", s.By(), "recorded", "no: another program has recorded it")
	default:
		d.log.Info("the clock was stepped", "by", s.By(), "recorded", "yes")
	}
}

const (
	stepPatience = 10 * time.Second // longest wait for a lock
	// near is how far another program's record of a step may be from ours.
	near = time.Minute
	// lately is how many records are searched for one.
	lately = 256
	// rereadings bounds how often the log may change between reading and locking.
	rereadings = 10
)

// errBusy is the error after so many.
var errBusy = errors.New("wtmpx keeps changing")

// stepRecords records steps of the clock.
type stepRecords struct {
	last utmpx.Time // of the NEW_TIME that it wrote last
}

// append appends OLD_TIME and NEW_TIME, both at once, unless the end of the log has a
// NEW_TIME of the last minute that is another program's. A missing log gets nothing,
// as from the C library.
func (r *stepRecords) append(ctx context.Context, wtmpx *recfile.Log, log *logs.Log, s clock.Step) (wrote bool, err error) {
	recs := []utmpx.Record{changeRecord(utmpx.OldTime, "|", s.Old), changeRecord(utmpx.NewTime, "{", s.New)}
	for range rereadings {
		mark, recorded, err := r.recordedByOthers(ctx, log, s.New)
		if err != nil || recorded {
			return false, err
		}
		err = wtmpx.Locked(ctx, func(l *recfile.LockedLog) error {
			if wrote = l.Mark() == mark; !wrote {
				return nil
			}
			return l.Append(recs...)
		})
		if err != nil {
			return false, err
		}
		if wrote {
			r.last = recs[1].Time
			return true, wtmpx.Sync()
		}
	}
	return false, errBusy
}

// changeRecord returns a record of a change of the clock, as date(1) writes it where
// it does.
//
// Source: date of illumos; OTIME_MSG and NTIME_MSG in its utmp.h; utmpdump(1).
func changeRecord(t utmpx.Type, line string, at time.Time) utmpx.Record {
	return utmpx.Record{Type: t, Line: line, User: "date", Time: utmpx.TimeOf(at)}
}

// recordedByOthers reports whether another program has recorded a change of the clock
// near a moment, after the last one that was recorded here; and where the log ends.
func (r *stepRecords) recordedByOthers(ctx context.Context, log *logs.Log, at time.Time) (recfile.Mark, bool, error) {
	f, err := log.Open(ctx, log.Name())
	if err != nil {
		return recfile.Mark{}, false, err
	}
	defer f.Close()
	mark := recfile.Mark{Generation: f.Generation(), Size: f.Size()}
	n := 0
	for e, err := range f.Reuse().Backward(f.End()) {
		if logs.IsDamage(err) {
			continue // what is around it is read
		}
		if err != nil {
			return mark, false, err
		}
		if e.Record.Type == utmpx.NewTime && e.Record.Time == r.last {
			break
		}
		if e.Record.Type == utmpx.NewTime && e.Record.Time.Time().Sub(at).Abs() <= near {
			return mark, true, nil
		}
		if n++; n == lately {
			break
		}
	}
	return mark, false, nil
}
