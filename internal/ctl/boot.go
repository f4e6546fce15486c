// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
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
		examples: []string{
			"boot -n  # what would be recorded",
			"boot     # at the start of the system, as its service does",
		},
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

	decided bool // the log was read
	level   byte // the run level to record; 0: none
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
	v, err := b.log()
	if err := errors.Join(err, b.file()); err != nil {
		if b.decided {
			err = errors.Join(err, b.enter(v)) // utmpd is about to overwrite the note
		}
		return err // no stamp, so that a later run tries again
	}
	// Without a stamp too, a later run tries again to enter the boot.
	return errors.Join(b.enter(v), b.leaveStamp(v))
}

// gather collects what is known before the log is read.
func (b *booting) gather() {
	now := b.in.on.now()
	b.ev = boots.Evidence{Boot: b.bootID, Now: now, Booted: now.Add(-b.in.on.uptime()), UtmpBoot: b.utmpBoot()}
	b.began = b.ev.Booted
	if b.ours.RunLevel {
		b.level = b.in.on.runLevel()
	}
	stamp, stamped := b.note(stampFile)
	note, noted := b.note(heartbeat.NoteFile)
	ours := present{b.bootID, b.in.on.initStart(), b.ev.Now, 0}
	ours.up, _ = b.in.on.up()
	b.ev.Ledger = b.ledger()
	if stamped {
		b.ev.Stamp = &boots.Stamp{Boot: ours.idOf(stamp), Booted: stamp.Time}
		if noted && ours.followed(stamp, note) {
			b.ev.Stamp.Boot = ours.idOf(note)
		}
	}
	if noted {
		id := ours.idOf(note)
		if stamped && id == b.ev.Stamp.Boot && !heartbeat.SameStart(stamp.Init, note.Init) {
			id = "before " + id // of the container's start before the stamp's, under the same kernel
		}
		b.ev.Note = &boots.Note{Boot: id, At: note.Time, Slept: note.Slept, Every: note.Every, State: noteStates[note.State]}
		began := note.Init
		if stamped && b.ev.Stamp.Boot == b.ev.Note.Boot && stamp.Up > 0 {
			began = stamp.Up
			b.ev.Note.Slept = max(0, note.Slept-stamp.Slept) // what a container's host slept before
		}
		b.ev.Note.Up = max(0, note.Up-began)
		// Without a stamp, boot has never run before: it is being installed.
		if b.ev.Note.Boot == b.bootID && b.ev.Stamp != nil && b.ev.Stamp.Boot != b.bootID {
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
func (b *booting) log() (v boots.Verdict, err error) {
	wrote, err := b.appendUnlessChanged(func(p past) []utmpx.Record {
		b.ev.Boots, b.ev.Accessed, b.ev.Unread = p.boots, p.accessed, p.unread
		b.ev.Damaged = p.damaged
		v, b.decided = boots.Decide(b.ev), true
		return b.missing(v)
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b.tell(b.cfg.WtmpxFile + " does not exist: nothing is recorded there")
		return boots.Verdict{}, nil
	case recfile.TakesNothing(err):
		b.tell(fmt.Sprintf("nothing is recorded in the log: %v", err))
		if errors.Is(err, sysfile.ErrNotRegular) {
			v = boots.Decide(b.ev) // for the ledger
		}
		b.reportEnding(v)
		return v, nil
	case err != nil:
		b.reportEnding(v)
		return v, err
	}
	b.findPresent(v)
	b.reportEnding(v)
	for _, r := range wrote {
		b.did(r, b.cfg.WtmpxFile)
	}
	return v, nil
}

// missing returns the records that the log lacks, in order.
func (b *booting) missing(v boots.Verdict) []utmpx.Record {
	var recs []utmpx.Record
	if v.Write {
		recs = append(recs, endRecord(boots.Past{End: v.End, To: v.At, Exact: v.Exact, By: v.By}))
	}
	for _, p := range v.Missed {
		if began := p.Began(); !began.IsZero() {
			recs = append(recs, boots.BootRecord(began, ""))
		}
		recs = append(recs, endRecord(p))
	}
	switch {
	case !b.ours.BootLog:
	case v.Restarted:
		recs = append(recs, boots.BootRecord(b.ev.Now, b.in.on.release()))
	case !v.Present:
		recs = append(recs, boots.BootRecord(b.began, b.in.on.release()))
	}
	// In the log a level before the boot that the system records would be of the last boot.
	if b.level != 0 && b.ours.BootLog && (v.Restarted || !v.Present) {
		recs = append(recs, boots.RunLevelRecord(b.ev.Now, b.level, b.in.on.release()))
	}
	return recs
}

// endRecord returns the record of the end of a boot that is over.
func endRecord(p boots.Past) utmpx.Record {
	by := cmp.Or(p.By, boots.FromLedger)
	if p.End == boots.ShutDown {
		return boots.LateShutdownRecord(p.To, by)
	}
	return boots.CrashRecord(p.To, p.Exact, by)
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
		only := ""
		if len(boots.Finished(b.ev, v)) > 0 {
			only = "only utmpctl downtime shows it; "
		}
		b.tell(b.cfg.WtmpxFile + " already has " + b.tooLate() + " cannot be recorded there; " + only + "run utmpctl boot earlier")
	}
	if v.InDamage {
		b.tell(b.cfg.WtmpxFile + " is damaged where the end of the last boot may have been recorded, so no end is recorded")
	}
	last, known := boots.Past{End: v.End, To: v.At, Exact: v.Exact, By: v.By}, v.Write
	if n := len(v.Missed); n > 0 {
		last, known = v.Missed[n-1], true
	}
	if !known {
		return
	}
	b.report.Last = &ending{
		End: last.End.String(), At: last.To, From: string(cmp.Or(last.By, boots.FromLedger)), ClockBehind: v.ClockBehind,
	}
	if last.Exact.Known {
		s := int64((last.Exact.Within + time.Second - 1) / time.Second)
		b.report.Last.Within = &s
	}
}

// tooLate returns what of this boot the log already has, and what it can no longer get.
func (b *booting) tooLate() string {
	if n := len(b.ev.Boots); n > 0 && b.ev.UtmpBoot.IsZero() && !b.ev.IsPresent(b.ev.Boots[n-1]) {
		return "logins of this boot, so its beginning and the end of the last one"
	}
	return "the record of this boot, so the end of the last one"
}

// utmpBoot returns the BOOT_TIME of the utmpx file, if that file is from this boot.
func (b *booting) utmpBoot() time.Time {
	if !b.in.on.volatile(b.cfg.UtmpxFile) {
		return time.Time{}
	}
	at, _, _ := bootIn(recfile.NewFile(b.cfg.UtmpxFile, recfile.Options{}))
	return at
}

// bootIn returns the times of a file's BOOT_TIME and RUN_LVL records, zero if there is none.
func bootIn(f *recfile.File) (boot, level time.Time, err error) {
	s, err := f.Snapshot(nil)
	for _, r := range s.All() {
		switch {
		case r.Type == utmpx.BootTime && boot.IsZero():
			boot = r.Time.Time()
		case r.Type == utmpx.RunLevel && level.IsZero():
			level = r.Time.Time()
		}
	}
	return boot, level, err
}

// file creates the utmpx file, if the system does not, and writes this boot to it, and its
// run level.
func (b *booting) file() error {
	if !b.ours.BootFile {
		return b.levelAlone()
	}
	name := b.cfg.UtmpxFile
	f := recfile.NewFile(name, recfile.Options{})
	there, level, err := bootIn(f)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := b.makeFile(name); err != nil {
			return err
		}
	case err != nil && !errors.Is(err, recfile.ErrTorn) && !errors.Is(err, recfile.ErrTooLong):
		return err
	case !there.IsZero() && (b.in.on.volatile(name) || b.report.Recorded && same(there, b.began)):
		if b.level == 0 || !level.Before(there) {
			return nil
		}
		return b.put(f, boots.RunLevelRecord(b.ev.Now, b.level, b.in.on.release()))
	}
	if err := b.put(f, boots.BootRecord(b.began, b.in.on.release())); err != nil || b.level == 0 {
		return err
	}
	return b.put(f, boots.RunLevelRecord(b.ev.Now, b.level, b.in.on.release()))
}

// levelAlone writes the run level to a utmpx file in which the system records the boot,
// later or already: pututxline(3) looks for the type of such a record alone, so neither
// replaces the other.
func (b *booting) levelAlone() error {
	if b.level == 0 {
		return nil
	}
	name := b.cfg.UtmpxFile
	f := recfile.NewFile(name, recfile.Options{})
	_, level, err := bootIn(f)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it is the system's to make
	case err != nil && !errors.Is(err, recfile.ErrTorn) && !errors.Is(err, recfile.ErrTooLong):
		return err
	case !level.IsZero() && (b.in.on.volatile(name) || !level.Before(b.began)):
		return nil
	}
	return b.put(f, boots.RunLevelRecord(b.ev.Now, b.level, b.in.on.release()))
}

// put writes a record to the utmpx file.
func (b *booting) put(f *recfile.File, r utmpx.Record) error {
	if !b.dry {
		ctx, cancel := context.WithTimeout(b.in.ctx, b.in.on.patience)
		defer cancel()
		if _, err := f.Put(ctx, r); err != nil {
			return err
		}
	}
	b.did(r, b.cfg.UtmpxFile)
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
func (b *booting) leaveStamp(v boots.Verdict) error {
	n := heartbeat.Note{Time: b.ev.Booted, Up: max(b.in.on.initStart(), 1), State: heartbeat.Running}
	if b.began.Sub(n.Time).Abs() >= boots.Late {
		n.Time = b.began // the clock was set after that record, by which the boot is found in the log
	}
	switch {
	case v.Restarted:
		n.Time = b.ev.Now
		n.Up, _ = b.in.on.up()
	case b.ev.Stamp != nil && b.ev.Stamp.Boot == b.bootID:
		return nil
	}
	return b.leave(stampFile, n, "only the records show that this boot was recorded")
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
	r.ours.RunLevel = r.cfg.RunLevelRecords == config.Ours ||
		r.cfg.RunLevelRecords == config.Auto && !r.in.on.initsystem().RunLevel
}
