// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"cmp"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// state is how far the judgement of a session has come.
type state uint8

const (
	unopened     state = iota
	asking             // its pid has been asked about
	watched            // bound to a watched process
	unwatchedNow       // its process lived when last asked about, but is not watched
	dying              // its process is dead; its due time is awaited
	gathering          // its evidence has been asked for
	cleaning           // a Job is out
	done               // cleaned, changed or left alone: nothing more until its record changes
)

// entry is one session: a USER_PROCESS record and the process it lives by. A record
// whose bytes change is a new session.
//
// There may be tens of thousands, so fields are no larger than they must be, and in an
// order that leaves no gaps.
type entry struct {
	key    uint64 // its own; a later session has a higher one
	line   string
	user   string
	source source

	prev, next *entry     // in the list of its pid's group, if joined
	proc       *process   // while watched, and after that while its status may still come
	id         session.ID // of the process, once known

	since time.Duration // Moment.Mono when the process was first seen alive; if sure, when it was known to be this one
	last  time.Duration // Moment.Mono when it last was; while it is watched that is now
	alive wallTime      // the same by the wall clock

	login  utmpx.Time    // the record's time
	end    wallTime      // when the process died, or was found dead
	died   time.Duration // Moment.Mono of the death, or of the finding
	diedUp time.Duration // Moment.Up of the same
	due    time.Duration // Moment.Mono when the wait ends; of one being cleaned, when that was ordered
	sum    [16]byte      // of the record, if summed

	sight  *session.Sighting // who led the line when the process lived; nil: nobody looked
	seenOn session.Sighting  // the memory of sight: nearly all have one
	held   *held             // the session stays by a process whose end proves nothing
	term   uint64            // the Key of the Sight that keeps its terminal in view; 0: none does

	before *utmpx.Record // that this one has displaced, on its line, in the grace of that session

	status session.Status
	place  int32 // in its source: the slot
	pid    int32 // of the process it lives by: ut_pid, or the leader of its line
	ask    int32 // the question whose answer counts, see group
	index  int32 // in the heap of grace; -1: not there

	state  state
	found  finding // what showed that the process is dead
	hidden bool    // it was reported that /proc hides the leader of its line
	leads  bool    // with led: pid leads the terminal of its line
	led    bool    // pid is not the record's: it leads the line, shows its display, or is a namesake
	left   bool    // left alone: done, and to stay so for these bytes
	review bool    // though it is left alone, a periodic scan asks again
	told   bool    // it was reported that it is left alone
	logind bool    // pid leads logind's session on the display
	twin   bool    // another record of its line named its pid, see markTwins
	joined bool    // in its pid's group
	seen   bool    // the process was seen alive
	sure   bool    // more of it is known than that its pid is in use, which may become another's
	hazy   bool    // it is watched, and the last look showed no more than that its pid is in use
	looked bool    // last is of this run, not of the one before
	exact  bool    // end is the time of the death, not of the finding
	summed bool
	alone  bool // it has no record: its login stands in the wtmpx file alone
	fits   bool // the process began when one of this login would have
}

// finding is what showed that a process is dead which nobody saw die.
type finding uint8

const (
	foundGone finding = iota // nothing has its pid
	foundOther
	foundLater
	foundNoSession
	foundNameless
	foundOlder
	foundIdle
	foundKernel
	foundSelf
	foundInit
	foundAway
	foundHungUp
	foundHidden
)

func (f finding) String() string {
	return [...]string{
		"", "another process has its pid now", "the process with its pid started later",
		"logind has no session on its display any more", "its record names no process",
		"its record names no process and is older than this boot", "its record names no process and its user has none",
		"its pid is a kernel thread's", "its pid is utmpd's own", "its pid is 1",
		"utmpd did not run when it ended",
		"its terminal is gone", "/proc hid its process when it ended",
	}[f]
}

// wallTime is a time of the wall clock in microseconds since 1970, as records hold
// it; 0 is none. It takes a third of the memory of a time.Time.
type wallTime int64

func wallOf(t time.Time) wallTime {
	if t.IsZero() {
		return 0
	}
	return wallTime(t.UnixMicro())
}

// time returns the zero time for none.
func (w wallTime) time() time.Time {
	if w == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(w))
}

func byKey(a, b *entry) int { return cmp.Compare(a.key, b.key) }

// newEntry returns the session of a record. It shares no memory with the record: a
// session outlives the snapshot it was found in.
func (t *Table) newEntry(from source, place int32, r utmpx.Record) *entry {
	t.opened++
	text := r.Line + r.User
	if r.Line == "" || r.User == "" {
		text = strings.Clone(text) // the addition made no copy
	}
	return &entry{
		key: t.opened, source: from, place: place,
		line: text[:len(r.Line)], user: text[len(r.Line):],
		pid: r.PID, login: r.Time, index: -1,
	}
}

// open takes in a session that its source has found.
func (t *Table) open(s *entry, raw string) {
	if s.pid <= 0 {
		t.setState(s, done)
		s.since = t.now.Mono
		s.review = true
		t.fresh = append(t.fresh, s)
		return
	}
	t.earlier.restore(s, raw, t.now)
	t.ask(s)
}

// close forgets a session: its record is gone, or has changed. byOwner says that the
// record is no longer one of a session.
func (t *Table) close(s *entry, byOwner bool) {
	if byOwner && (s.state == dying || s.state == gathering) {
		t.report(session.EndedByOwner{Record: s.record()})
	}
	t.unbind(s)
	t.leave(s)
	t.release(s)
	t.grace.remove(s)
	delete(t.evidence, s.key)
	delete(t.evidence, s.key|reviewKey)
	delete(t.sights.asked, s.key)
	t.utmpx.clear(s)
	t.count(s.state, -1)
	s.state, s.review = done, false // whoever still holds it must not go on with it
	t.counts.Sessions--
	t.touch(s)
}

// leaveAlone ends the work on a session until its record changes. With recheck, a
// scan that begins later and finds the same bytes opens it again.
func (t *Table) leaveAlone(s *entry, recheck bool) {
	t.setState(s, done)
	t.unbind(s)
	t.leave(s)
	t.release(s)
	if recheck {
		t.utmpx.recheckAfter(s, t.now.Mono)
	}
}

// setState moves the session on, and counts.
func (t *Table) setState(s *entry, to state) {
	if s.source == &t.waits {
		t.waits.count(s.state, -1)
		t.waits.count(to, 1)
		s.state, t.dirty = to, true
		return
	}
	if s.state == unopened {
		t.counts.Sessions++
	}
	t.count(s.state, -1)
	t.count(to, 1)
	s.state = to
	t.touch(s)
}

func (t *Table) count(in state, n int) {
	switch in {
	case asking:
		t.counts.Asking += n
	case watched:
		t.counts.Watched += n
	case unwatchedNow:
		t.counts.Unwatched += n
	case dying, gathering, cleaning:
		t.counts.Dying += n
	}
}

func (s *entry) record() utmpx.Record { return s.source.record(s) }

func (t *Table) reportLeft(s *entry, reason string) {
	if s.source == &t.waits {
		return // it has no record that stays
	}
	t.report(session.LeftAlone{Record: s.record(), Reason: reason, Seen: s.seen})
}

// seenFor reports whether one process was seen alive for that long. That it was found
// dead later than that proves nothing, nor does a pid that was in use all the time.
func (s *entry) seenFor(d time.Duration) bool { return s.sure && s.last-s.since >= d }

// aliveAt notes that a session was alive at a moment of this run.
func (s *entry) aliveAt(mono time.Duration, wall time.Time) {
	s.last, s.alive, s.looked = mono, wallOf(wall), true
}

// relabel gives the moment at which a session was last known alive by the present clock,
// which may have been set since.
func (s *entry) relabel(now Moment) {
	if s.looked {
		s.alive = wallOf(now.Wall.Add(s.last - now.Mono))
	}
}

// aliveUntil returns when the session was last known alive: when its process was, or
// at its login.
func (s *entry) aliveUntil() time.Time {
	if s.alive == 0 {
		return s.login.Time()
	}
	return s.alive.time()
}
