// SPDX-License-Identifier: BSD-2-Clause

package sessions

import (
	"maps"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Backward finds the sessions of records that are added newest first. Its cost for each
// record is constant; its memory grows with the lines seen since the last boot.
type Backward struct {
	alive func(*utmpx.Record) bool

	lines  map[string]*end // of each line: the record that follows, up to the end of the boot
	dead   map[process]*end
	system *end // what ended the boot; nil: the log ends

	here     place
	seq      int
	set      *utmpx.Time  // of a NEW_TIME, if that was the record before
	begun    [2]time.Time // when the last two boots began, the older one last
	end      time.Time    // of the log: the time of its last record
	lastSign bool         // system waits for its last sign of life
}

// process is a process of which only a DEAD_PROCESS without a line tells.
type process struct {
	pid int32
	id  string
}

// NewBackward returns a Backward at the end of a log. alive tells whether a login that has
// no end is in the utmpx file now. It is nil for the log of another machine.
func NewBackward(alive func(*utmpx.Record) bool) *Backward {
	return &Backward{alive: alive, lines: map[string]*end{}, dead: map[process]*end{}}
}

// Add takes the record before those it has. If it is the login of a session, it returns the
// session and true. Its strings are those of the record.
func (b *Backward) Add(r *utmpx.Record) (s Session, ok bool) {
	what := meaningOf(r)
	b.clock(r, what)
	b.seq++
	if b.end.IsZero() && r.Time.Sec > 0 {
		b.end = r.Time.Time()
	}
	if b.lastSign && what.alive() {
		b.system.life, b.lastSign = r.Time, false
	}
	switch what {
	case login:
		return b.login(r)
	case logout:
		b.keep(r.Line, logoutOf(r))
	case vacant:
		b.keep(r.Line, nextOf(r, what))
	case lineless:
		e := logoutOf(r)
		e.seq, e.place = b.seq, b.here
		b.dead[process{r.PID, strings.Clone(r.ID)}] = &e
	case boot, ended:
		e := systemOf(r, what)
		e.place = b.here
		b.system, b.lastSign = &e, what == boot
		if what == boot {
			b.begun = [2]time.Time{r.Time.Time(), b.begun[0]}
		}
		clear(b.lines)
		clear(b.dead)
	}
	return s, false
}

// Damage notes that the log is damaged before the records that it has.
func (b *Backward) Damage() {
	b.jumped()
	b.here.holes++
	b.lastSign = false
}

// earliest is the earliest time that is believed. A clock without a battery starts in 1970.
var earliest = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Before reports whether all sessions that are still to come ended before t: two boots
// began since, by clocks that seem right, and before t. One may have begun by the saved
// clock of its last shutdown.
func (b *Backward) Before(t time.Time) bool {
	for _, began := range b.begun {
		if began.Before(earliest) || !began.Before(t) {
			return false
		}
	}
	return true
}

// Rest returns the sessions whose logins are before the first record: their logouts have no
// login. It is called after the last record.
func (b *Backward) Rest() []Session {
	var all []Session
	for _, line := range slices.Sorted(maps.Keys(b.lines)) {
		if e := b.lines[line]; e.by != Replaced {
			all = append(all, orphan(utmpx.Record{Line: line, PID: e.pid}, e))
		}
	}
	return all
}

// clock follows the steps of the clock. A step is of a known size if its two records follow
// each other.
func (b *Backward) clock(r *utmpx.Record, what meaning) {
	if b.set != nil && what == oldClock {
		b.here.stepped += b.set.Time().Sub(r.Time.Time())
		b.set = nil
		return
	}
	b.jumped()
	if what == newClock {
		at := r.Time
		b.set = &at
	}
}

// jumped notes that the clock was set without a record of the time before.
func (b *Backward) jumped() {
	if b.set != nil {
		b.here.jumps++
		b.set = nil
	}
}

// keep notes the end of the session before on a line.
func (b *Backward) keep(line string, e end) {
	e.seq, e.place = b.seq, b.here
	if was := b.lines[line]; was != nil {
		*was = e
		return
	}
	first := e // e itself stays off the heap
	b.lines[strings.Clone(line)] = &first
}

func (b *Backward) login(r *utmpx.Record) (s Session, ok bool) {
	e := b.lines[r.Line]
	if d := b.dead[process{r.PID, r.ID}]; d != nil && (e == nil || d.seq > e.seq) {
		e = d
	}
	if e == nil {
		e = b.system
	}
	between := b.here
	if e != nil {
		between = e.place.to(b.here)
	}
	if e == nil || !e.repeats(r, between) {
		s, ok = finish(r, e, between), true
		b.present(&s, r)
	}
	b.keep(r.Line, nextOf(r, login))
	return s, ok
}

// present says of a session without an end whether it is on now.
func (b *Backward) present(s *Session, r *utmpx.Record) {
	switch {
	case s.End != Open && (s.End != Unknown || !s.To.IsZero()):
	case b.alive != nil && b.alive(r):
		s.End, s.Least = StillOn, time.Time{}
	case s.End == Unknown:
	case b.alive != nil:
		s.End, s.Least = Gone, s.From
	default:
		s.open(b.end)
	}
}
