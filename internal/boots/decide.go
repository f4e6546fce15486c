// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"slices"
	"time"
)

// Note is the last sign of life of a boot: the heartbeat's note.
type Note struct {
	Boot  string // the id of the boot that wrote it
	At    time.Time
	Up    time.Duration // how long the system had been up, suspends included; 0 if unknown
	Slept time.Duration // the suspends' part of Up
	Every time.Duration // the period of the heartbeat
	State NoteState
}

// NoteState is what utmpd announced with a Note.
type NoteState int

// The states of a Note.
const (
	NoteRunning  NoteState = iota // another beat follows
	NoteStopped                   // no beat follows; the system goes on
	NoteShutdown                  // the system goes down, under control
)

// Stamp is what `utmpctl boot` leaves once the beginning of a boot is recorded.
type Stamp struct {
	Boot   string    // the boot's id
	Booted time.Time // by the clock when the stamp was written
}

// Evidence is everything that is known at a boot about the one before.
type Evidence struct {
	Boot     string    // the id of the present boot
	Booted   time.Time // when the present boot began, by the present clock
	Now      time.Time
	Boots    []Boot    // the last two boots in the log, or fewer
	UtmpBoot time.Time // of the BOOT_TIME in a utmpx file created in this boot; zero if none
	Stamp    *Stamp    // the last one; nil if none
	Note     *Note     // the last one; nil if none
	Ledger   []Past    // boots before the last one, and at most the last one, oldest first
	Unread   bool      // there are older parts of the log that could not be read
	Damaged  bool      // a part of what was read is damaged
	Accessed time.Time // the log's access time before it was read; zero if unknown
}

// Verdict says what the log lacks.
type Verdict struct {
	Present    bool // the log has a record of the present boot
	EndMissing bool // it lacks the end of the boot before, which cannot be appended any more
	Restarted  bool // it has an end of the present boot, which was started again under the same kernel

	// Write asks to record the end of the last boot, which the fields below
	// describe.
	Write       bool
	End         End
	At          time.Time
	Exact       Exactness
	By          Source
	ClockBehind bool // the present clock is behind At, so the downtime is unknown

	// InDamage: the end of the log's last boot is not recorded, since its record may be in
	// a damaged part of the log.
	InDamage bool

	// Missed are the boots after the last one in the log that it lacks, oldest
	// first. Their beginnings and ends are to be recorded after it.
	Missed []Past
}

// Late is the largest difference between the times that two programs
// record for one boot.
const Late = 5 * time.Minute

// Decide decides what to record of the end of the log's last boot.
func Decide(ev Evidence) Verdict {
	if ev.stamped() {
		return Verdict{Present: true, Restarted: ev.endedBefore()}
	}
	if ev.inDamage() {
		return Verdict{Present: true, EndMissing: true}
	}
	if len(ev.Boots) == 0 {
		return Verdict{Missed: ev.missed(nil)}
	}
	last := ev.Boots[len(ev.Boots)-1]
	if ev.IsPresent(last) {
		return Verdict{Present: true, EndMissing: ev.tooLate()}
	}
	if (ev.first() || last.Holed() || !last.Recorded) && last.End == Open && ev.inPresent(last.To) {
		// utmpd was installed while the system is up, or the record of this boot is in a
		// damaged part. The log has logins of this boot, and a boot or an end appended now
		// would end them too.
		return Verdict{Present: true, EndMissing: true}
	}
	if missed := ev.missed(ev.Boots); len(missed) > 0 {
		v := ev.endedEarlier(last)
		v.Missed = missed
		return v
	}
	return ev.endOfLast(last)
}

// inDamage reports whether this boot was recorded in the damaged end of the log, as a utmpx file
// in memory shows.
func (ev Evidence) inDamage() bool {
	n := len(ev.Boots)
	return !ev.UtmpBoot.IsZero() && (n == 0 && ev.Damaged || n > 0 && (ev.Boots[n-1].Damaged || ev.Boots[n-1].lostAfter))
}

// endOfLast decides what to record of the end of the log's last boot, if no other boot that
// has a place in time followed it.
func (ev Evidence) endOfLast(last Boot) Verdict {
	note := ev.noteOf(last)
	if v := ev.entered(last); note == nil && v.Write {
		return v
	}
	last = last.byClockOf(note)
	if !lacksEnd(last, note) {
		return Verdict{}
	}
	v := ev.when(last, note)
	if last.Damaged && v.End == Crashed && !v.Exact.Known {
		return Verdict{InDamage: true}
	}
	v.Write = true
	return ev.notAfterBoot(v, last)
}

// tooLate reports whether something before the present boot, which is the log's last
// one, has no record.
func (ev Evidence) tooLate() bool {
	if n := len(ev.Boots); n > 1 {
		before := ev.Boots[n-2]
		return !before.EndRecorded || len(ev.missed(ev.Boots[:n-1])) > 0
	}
	return len(ev.missed(nil)) > 0
}

// endedEarlier decides what to record of the end of the log's last boot if other
// boots followed it: what the ledger knows.
func (ev Evidence) endedEarlier(last Boot) Verdict {
	all := ev.known()
	i, _ := nearest(all, last)
	if i < 0 {
		return Verdict{}
	}
	return all[i].endOf(last)
}

// entered is the same for boots that followed it and have no place in time.
func (ev Evidence) entered(last Boot) Verdict {
	i, sure := nearest(ev.Ledger, last)
	if !sure || !ev.Ledger[i].within(last) {
		return Verdict{}
	}
	if slices.ContainsFunc(ev.Boots[:len(ev.Boots)-1], ev.Ledger[i].is) {
		return Verdict{} // it may be that one: some clocks begin at the same second at every boot
	}
	return ev.Ledger[i].endOf(last)
}

// endOf asks to record the end of p, which is the log's last boot.
func (p Past) endOf(last Boot) Verdict {
	if last.End != Open || p.End == Open || p.To.Before(last.To.Add(-sameMoment)) {
		return Verdict{}
	}
	return Verdict{Write: true, End: p.End, At: p.To, Exact: p.Exact, By: p.By}
}

// stamped reports whether the present boot has a stamp.
func (ev Evidence) stamped() bool {
	return ev.Stamp != nil && ev.Stamp.Boot == ev.Boot && ev.Boot != ""
}

// endedBefore reports whether the log's last boot was shut down.
func (ev Evidence) endedBefore() bool {
	n := len(ev.Boots)
	return n > 0 && ev.Boots[n-1].End == ShutDown
}

// lacksEnd reports whether the end of a boot that is over still has to be
// recorded. note is that boot's, or nil.
func lacksEnd(last Boot, note *Note) bool {
	switch last.End {
	case Crashed:
		return false
	case ShutDown:
		// A shutdown was recorded, but the heartbeat went on after it.
		return note != nil && note.State == NoteRunning && note.At.After(last.To.Add(lateLogout))
	}
	// With neither a boot record nor a note, this system does not record
	// boots, and nothing is known.
	return last.Recorded || note != nil
}

// IsPresent reports whether a boot of the log is the present one.
func (ev Evidence) IsPresent(b Boot) bool {
	if !b.Recorded {
		return false
	}
	if !ev.UtmpBoot.IsZero() {
		// One program may write it into utmp and another, later, into the log.
		d := b.From.Sub(ev.UtmpBoot)
		return d >= -sameMoment && d < Late
	}
	if ev.stamped() && ev.Stamp.Booted.Sub(b.From).Abs() < Late {
		return true // the clock may have been set since
	}
	if s := ev.Stamp; s != nil && s.Boot != ev.Boot && same(s.Booted, b.From) {
		return false // it is the stamp's boot: a short one, or the clock started at the same time again
	}
	if ev.over(b) {
		return false // the kernel's count is too long
	}
	// A clock that restarts at a fixed time at every boot proves nothing, nor
	// does one that is behind the log's records.
	return !ev.Booted.Before(earliest) && !b.To.After(ev.Now.Add(sameMoment)) &&
		!b.From.Before(ev.Booted.Add(-sameMoment)) && !b.From.After(ev.Now.Add(sameMoment))
}

// over reports whether b, a boot of the log, is the one whose note was left: it was up
// at that time, and no boot before it in the log is that one rather.
func (ev Evidence) over(b Boot) bool {
	return slices.ContainsFunc(ev.recent(), func(p Past) bool {
		return p.Up > 0 && p.is(b) && p.within(b) && !slices.ContainsFunc(ev.Boots, func(o Boot) bool {
			return o.From.Before(b.From) && p.is(o) && !p.fits(b, o)
		})
	})
}

// first reports whether no earlier boot has left a stamp or a note.
func (ev Evidence) first() bool {
	return ev.Stamp == nil && (ev.Note == nil || ev.Boot != "" && ev.Note.Boot == ev.Boot)
}

// inPresent reports whether t, the time of a record, lies in the present boot.
func (ev Evidence) inPresent(t time.Time) bool {
	return !ev.Booted.Before(earliest) && !t.Before(ev.Booted) && !t.After(ev.Now.Add(sameMoment))
}

// noteOf returns the note if b has left it, else nil.
func (ev Evidence) noteOf(b Boot) *Note {
	n := ev.Note
	switch {
	case n == nil || n.Boot == "" || n.Boot == ev.Boot:
		return nil
	case !b.Recorded:
	case ev.Stamp != nil && ev.Stamp.Boot == n.Boot && ev.ofLater(b):
		return nil
	case n.Up > 0 && b.before(n.At.Add(-n.Up)):
		return nil // every boot of such a clock begins at one second
	case ev.Stamp != nil && ev.Stamp.Booted.Sub(b.From).Abs() < Late:
		if ev.Stamp.Boot != n.Boot {
			return nil // the stamp belongs to b, the note to another boot
		}
	case n.At.Before(b.From.Add(-sameMoment)):
		return nil // it belongs to an earlier boot, or the clock was set; nothing decides which
	}
	return n
}

// ofLater reports whether the boot that has left both the stamp and the note began after b
// was up last.
func (ev Evidence) ofLater(b Boot) bool {
	return slices.ContainsFunc(ev.recent(), func(p Past) bool {
		up := b.To.Add(sameMoment)
		return p.Boot == ev.Note.Boot && p.distance(b) >= Late && p.From.After(up) && p.Began().After(up)
	})
}

// when decides how and when a boot ended that has no record of its end. note is
// that boot's, or nil.
func (ev Evidence) when(last Boot, note *Note) Verdict {
	v := Verdict{End: Crashed, At: last.To, By: FromRecords}
	if note != nil {
		until := note.At.Add(note.Every + sameMoment)
		switch {
		case note.State == NoteShutdown && !last.To.After(note.At.Add(lateLogout)):
			return Verdict{End: ShutDown, At: latest(note.At, last.To), Exact: Exactness{Known: true}, By: FromHeartbeat}
		case note.State == NoteRunning && !last.To.After(until):
			v.At, v.By = latest(note.At, v.At), FromHeartbeat
			if !ev.readAfter(until) {
				v.Exact = Exactness{Known: true, Within: note.Every}
				return v
			}
			// The system was up after the missing beat: only the access
			// time below is known.
		case note.At.After(v.At):
			v.At, v.By = note.At, FromHeartbeat
		}
	}
	// With relatime, the first reader of the log after the boot has moved the
	// access time.
	if ev.readAfter(v.At) {
		v.At, v.By = ev.Accessed, FromAccess
	}
	return v
}

// byClockOf returns b, to which the note belongs, with the time of its last record by
// the clock of the note. If the kernel's count shows that the clock was set back soon
// after the boot was recorded, records of the first minutes have the time from before.
func (b Boot) byClockOf(note *Note) Boot {
	if note == nil || note.Up <= 0 || !b.Recorded {
		return b
	}
	back := note.At.Add(-note.Up).Sub(b.From)
	if back <= -Late && b.To.Sub(b.From) <= lateLogout && b.End == Open {
		b.To = b.To.Add(back)
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// readAfter reports whether the log was read after t and before this boot.
func (ev Evidence) readAfter(t time.Time) bool {
	n := len(ev.Boots)
	earlier := func(b Boot) bool { return !ev.Accessed.After(b.To) } // it may have been then
	return ev.Accessed.After(t) && ev.Accessed.Before(ev.Booted) && !slices.ContainsFunc(ev.Boots[:max(0, n-1)], earlier)
}

// notAfterBoot limits the end to the beginning of the present boot if the clocks
// differ only slightly, and else sets ClockBehind.
func (ev Evidence) notAfterBoot(v Verdict, last Boot) Verdict {
	ahead := v.At.Sub(ev.Booted)
	switch {
	case ahead <= 0:
	case !last.To.After(ev.Booted) && ahead <= v.Exact.Within+sameMoment:
		v.At = ev.Booted
		if v.Exact.Known && v.End == Crashed {
			v.Exact.Within += ahead // which of the clocks was wrong is not known
		}
	default:
		v.ClockBehind = true
	}
	return v
}
