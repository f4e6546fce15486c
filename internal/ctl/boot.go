// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// stampFile is the file in STATE_DIR that notes the boot in which `utmpctl boot` last
// ran.
const stampFile = "boot"

func bootCommand() command {
	return command{
		name:    "boot",
		summary: "record how the last boot ended, and that this one began",
		about: `Run it early in every boot: after /var/log is mounted, before any program
records this boot, and before utmpd starts. A second run records nothing.`,
		options: []option{dryRunOption, jsonOption, configOption},
		run: func(in call) error {
			b, err := newBooting(in)
			if err != nil {
				return err
			}
			return b.finish(b.run())
		},
	}
}

// booting is one run of `utmpctl boot`.
type booting struct {
	*recorder
	ev    boots.Evidence
	began time.Time // recorded start of this boot
}

func newBooting(in call) (*booting, error) {
	r, err := newRecorder(in)
	if err != nil {
		return nil, err
	}
	return &booting{recorder: r}, nil
}

func (b *booting) run() error {
	b.gather()
	if err := errors.Join(b.log(), b.file()); err != nil {
		return err // no stamp, so that a later run tries again
	}
	return b.leaveStamp()
}

// gather collects what is known before the log is read.
func (b *booting) gather() {
	now := b.in.on.now()
	b.ev = boots.Evidence{Boot: b.bootID, Now: now, Booted: now.Add(-b.in.on.uptime()), UtmpBoot: b.utmpBoot()}
	b.began = b.ev.Booted
	stamp, stamped := b.note(stampFile)
	note, noted := b.note(heartbeat.NoteFile)
	ours := present{b.bootID, b.in.on.initStart(), b.ev.Now, 0}
	ours.up, _ = b.in.on.up()
	if stamped {
		b.ev.Stamp = &boots.Stamp{Boot: ours.idOf(stamp), Booted: stamp.Time}
		if noted && ours.followed(stamp, note) {
			b.ev.Stamp.Boot = ours.idOf(note)
		}
	}
	if noted {
		b.ev.Note = &boots.Note{Boot: ours.idOf(note), At: note.Time, Every: note.Every, State: noteStates[note.State]}
		if b.ev.Note.Boot == b.bootID && (b.ev.Stamp == nil || b.ev.Stamp.Boot != b.bootID) {
			b.tell("utmpd started before utmpctl boot and has overwritten the note of the last boot; run utmpctl boot before utmpd")
		}
	}
}

var noteStates = map[heartbeat.State]boots.NoteState{
	heartbeat.Running:  boots.NoteRunning,
	heartbeat.Stopped:  boots.NoteStopped,
	heartbeat.Shutdown: boots.NoteShutdown,
}

// log appends the records that the wtmpx log lacks: the end of the last boot, and the
// beginning of this one.
func (b *booting) log() error {
	var v boots.Verdict
	wrote, err := b.appendUnlessChanged(func(p past) []utmpx.Record {
		b.ev.Boots, b.ev.Accessed = p.boots, p.accessed
		v = boots.Decide(b.ev)
		return b.missing(v)
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b.tell(b.cfg.WtmpxFile + " does not exist: the end of the last boot is unknown, and nothing is recorded there")
		return nil
	case err != nil:
		return err
	}
	b.findPresent(v)
	b.reportEnding(v)
	for _, r := range wrote {
		b.did(r, b.cfg.WtmpxFile)
	}
	return nil
}

// missing returns the records that the log lacks, in order.
func (b *booting) missing(v boots.Verdict) []utmpx.Record {
	var recs []utmpx.Record
	if v.Write && v.End == boots.Crashed {
		recs = append(recs, boots.CrashRecord(v.At, v.Exact, v.By))
	}
	if v.Write && v.End == boots.ShutDown {
		recs = append(recs, boots.LateShutdownRecord(v.At, v.By))
	}
	switch {
	case !b.ours.BootLog:
	case v.Restarted:
		recs = append(recs, boots.BootRecord(b.ev.Now, b.in.on.release()))
	case !v.Present:
		recs = append(recs, boots.BootRecord(b.began, b.in.on.release()))
	}
	return recs
}

// findPresent takes the time of this boot from the log, if it was recorded there.
func (b *booting) findPresent(v boots.Verdict) {
	if n := len(b.ev.Boots); v.Present && !v.Restarted && n > 0 {
		b.report.Recorded = true
		if last := b.ev.Boots[n-1]; last.Recorded && b.ev.IsPresent(last) {
			b.began = last.From
		}
	}
}

// reportEnding reports how the last boot ended.
func (b *booting) reportEnding(v boots.Verdict) {
	if v.EndMissing {
		b.tell(b.cfg.WtmpxFile + " already has the record of this boot, so the end of the last one cannot be recorded; run utmpctl boot earlier")
	}
	if !v.Write {
		return
	}
	b.report.Last = &ending{
		End: v.End.String(), At: v.At, From: string(v.By), ClockBehind: v.ClockBehind,
	}
	if v.Exact.Known {
		s := int64((v.Exact.Within + time.Second - 1) / time.Second)
		b.report.Last.Within = &s
	}
}

// utmpBoot returns the BOOT_TIME of the utmpx file, if that file is from this boot.
func (b *booting) utmpBoot() time.Time {
	if !b.in.on.volatile(b.cfg.UtmpxFile) {
		return time.Time{}
	}
	at, _ := bootTimeIn(recfile.NewFile(b.cfg.UtmpxFile, recfile.Options{}))
	return at
}

func bootTimeIn(f *recfile.File) (time.Time, error) {
	s, err := f.Snapshot(nil)
	for _, r := range s.All() {
		if r.Type == utmpx.BootTime {
			return r.Time.Time(), err
		}
	}
	return time.Time{}, err
}

// file creates the utmpx file, if the system does not, and writes this boot to it.
func (b *booting) file() error {
	if !b.ours.BootFile {
		return nil
	}
	name := b.cfg.UtmpxFile
	f := recfile.NewFile(name, recfile.Options{})
	there, err := bootTimeIn(f)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := b.makeFile(name); err != nil {
			return err
		}
	case err != nil && !errors.Is(err, recfile.ErrTorn) && !errors.Is(err, recfile.ErrTooLong):
		return err
	case !there.IsZero() && (b.in.on.volatile(name) || b.report.Recorded && same(there, b.began)):
		return nil
	}
	r := boots.BootRecord(b.began, b.in.on.release())
	if !b.dry {
		ctx, cancel := context.WithTimeout(b.in.ctx, b.in.on.patience)
		defer cancel()
		if _, err := f.Put(ctx, r); err != nil {
			return err
		}
	}
	b.did(r, name)
	return nil
}

func same(a, b time.Time) bool { return a.Sub(b).Abs() <= 2*time.Second }

// makeFile creates an empty file that the group utmp may write.
func (b *booting) makeFile(name string) error {
	if !b.dry {
		if err := b.in.on.makeFile(name); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make %s: %w", name, err)
		}
	}
	b.report.Wrote = append(b.report.Wrote, action{Record: "new file", File: name})
	return nil
}

// leaveStamp notes that this boot is completely recorded. Without a STATE_DIR only
// the records show it.
func (b *booting) leaveStamp() error {
	if b.ev.Stamp != nil && b.ev.Stamp.Boot == b.bootID {
		return nil
	}
	return b.leave(stampFile, heartbeat.Note{Time: b.ev.Booted, State: heartbeat.Running},
		"only the records show that this boot was recorded")
}

// whose determines which records utmpctl has to write.
func (r *recorder) whose() {
	switch r.cfg.BootRecords {
	case config.Ours:
		r.ours.BootLog, r.ours.BootFile, r.ours.Shutdown = true, true, true
	case config.Systems:
		r.report.System = "the system (BOOT_RECORDS=no)"
	default:
		w := r.in.on.initsystem()
		r.report.System = w.Who
		r.ours.BootLog, r.ours.BootFile, r.ours.Shutdown = !w.BootLog, !w.BootFile, !w.Shutdown
	}
}
