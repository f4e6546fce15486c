// SPDX-License-Identifier: BSD-2-Clause

package sessions

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/glance"
	"utmpd.dev/utmpd/utmpx"
)

// Backward finds the sessions of records that are added newest first. Its cost for each
// record is constant, and its memory bounded: of more than 65536 lines since the last boot
// it forgets some, and says so of sessions that it may have concerned.
type Backward struct {
	alive func(*utmpx.Record) bool

	lines  map[string]*end // of each line: the record that follows, up to the end of the boot
	dead   map[process]*end
	recent [1024]recentLine
	forgot bool // some of these
	system *end // what ended the boot; nil: the log ends

	here     place
	seq      int
	set      *utmpx.Time  // of a NEW_TIME, if that was the record before
	begun    [2]time.Time // when the last two boots began, the older one last
	end      time.Time    // of the log: the time of its last record
	last     utmpx.Time   // of the record added last
	lastSign bool         // system waits for its last sign of life

	since        time.Time // zero: no limit
	first, final int64     // since and until in microseconds
	limited      bool      // there is one of them
	done         bool      // no session that is still to come can have been on at since
	fields       *glance.Fields
	now          Session // returned last
}

// recentLine is a short line that was looked for lately.
type recentLine struct {
	first, second uint64 // the line
	next          *end
}

// mostLines is how many lines are kept.
const mostLines = 1 << 16

// process is a process of which only a DEAD_PROCESS without a line tells.
type process struct {
	pid int32
	id  string
}

// processOf returns the process of a record. On FreeBSD the identifier alone ends a session:
// another process than that of the login may log out.
//
// Source: utx_active_remove in FreeBSD's pututxline.c.
func processOf(r *utmpx.Record) process {
	if r.Layout() == utmpx.FreeBSD197 {
		return process{id: r.ID}
	}
	return process{r.PID, r.ID}
}

// NewBackward returns a Backward at the end of a log. alive tells whether a login that has
// no end is in the utmpx file now. It is nil for the log of another machine.
func NewBackward(alive func(*utmpx.Record) bool) *Backward {
	return &Backward{alive: alive, lines: map[string]*end{}, dead: map[process]*end{}}
}

// Only leaves out sessions that [Session.Within] says were off from since to until, as far
// as that shows at a glance. A zero time is no limit.
func (b *Backward) Only(since, until time.Time) {
	b.since, b.limited = since, !since.IsZero() || !until.IsZero()
	b.first, b.final = math.MinInt64, math.MaxInt64
	if !since.IsZero() {
		b.first = since.UnixMicro()
	}
	if !until.IsZero() {
		b.final = until.UnixMicro()
	}
}

// Past is [Backward.Only] that leaves out nothing: it sets where [Backward.Done] is.
func (b *Backward) Past(since time.Time) { b.since = since }

// Awaits reports whether the log has told the end of a session on a line, and its login is
// still to come.
func (b *Backward) Awaits(line string) bool {
	e := b.lines[line]
	return e != nil && e.by != "" && e.by != Replaced
}

// Add takes the record before those it has. If it is the login of a session, it returns the
// session and true. Its strings are those of the record.
func (b *Backward) Add(r *utmpx.Record) (s Session, ok bool) {
	b.now.Login = *r
	if b.add() {
		return b.now, true
	}
	return s, false
}

// AddRaw is [Backward.Add] for a record that is not decoded. The session is overwritten by
// the next call, and its strings are in the memory of p. nil is none.
func (b *Backward) AddRaw(l *utmpx.Layout, p []byte) *Session {
	if l == utmpx.Glibc384LE && b.set == nil {
		if typ, at, pid, first, second, ok := glance.Usual(p); ok {
			b.look(l)
			b.pass(at, true)
			return b.ofLine(p, b.onShort(p, first, second), typ, at, pid)
		}
	}
	typ, at, first := l.Peek(p)
	ordinary := first != 0 && first != '~' && (typ == utmpx.UserProcess || typ == utmpx.DeadProcess)
	if !ordinary || b.set != nil || l.IsForeign() {
		l.DecodeTo(&b.now.Login, glance.Text(p))
		if b.add() {
			return &b.now
		}
		return nil
	}
	b.look(l)
	b.pass(at, true)
	return b.ofLine(p, b.onRaw(p), typ, at, b.fields.PID(p))
}

// look finds the fields of a layout.
func (b *Backward) look(l *utmpx.Layout) {
	if b.fields == nil || b.fields.Layout() != l {
		b.fields = glance.Of(l)
	}
}

// ofLine takes a USER_PROCESS or DEAD_PROCESS record of the line before next.
func (b *Backward) ofLine(p []byte, next *end, typ utmpx.Type, at utmpx.Time, pid int32) *Session {
	f := b.fields
	if typ == utmpx.DeadProcess || f.FirstOfUser(p) == 0 {
		host := ""
		if f.FirstOfHost(p) != 0 {
			host = f.Host(p)
		}
		next.logout(typ, at, pid, f.Exit(p), host)
		b.keep(next)
		return nil
	}
	user := f.UserField(p)
	if len(b.dead) == 0 && b.off(at, next, next.place.to(b.here)) {
		next.replaced(at, pid, user) // as most of a long log: nothing else is to be asked
		b.keep(next)
		return nil
	}
	who := process{pid: pid}
	if len(b.dead) > 0 {
		who.id = f.ID(p)
	}
	e, between, ok := b.endOf(next, at, who, user)
	if ok {
		f.Layout().DecodeTo(&b.now.Login, glance.Text(p))
		b.finish(e, between)
	}
	next.replaced(at, pid, user)
	b.keep(next)
	if ok {
		return &b.now
	}
	return nil
}

// add takes the record in now, and reports whether now is a session.
func (b *Backward) add() (ok bool) {
	r := &b.now.Login
	what := meaningOf(r)
	b.clock(r, what)
	b.pass(r.Time, what.alive())
	switch what {
	case login:
		next := b.on(r.Line)
		e, between, ok := b.endOf(next, r.Time, processOf(r), r.User)
		if ok {
			b.finish(e, between)
		}
		next.replaced(r.Time, r.PID, r.User)
		b.keep(next)
		return ok
	case logout:
		next := b.on(r.Line)
		next.logout(r.Type, r.Time, r.PID, r.Exit, r.Host)
		b.keep(next)
	case vacant:
		next := b.on(r.Line)
		next.replaced(r.Time, r.PID, "")
		b.keep(next)
	case lineless:
		b.lineless(r)
	case boot, ended:
		e := systemOf(r, what)
		e.place = b.here
		b.system, b.lastSign = &e, what == boot
		if what == boot {
			b.begun = [2]time.Time{r.Time.Time(), b.begun[0]}
			b.done = !b.since.IsZero() && b.Before(b.since)
		}
		b.lines, b.dead, b.forgot = map[string]*end{}, map[process]*end{}, false
		b.recent = [len(b.recent)]recentLine{}
	}
	return false
}

// pass counts a record, and takes it as a sign of life if it is one.
func (b *Backward) pass(at utmpx.Time, alive bool) {
	b.seq++
	b.last = at
	if b.end.IsZero() && at.Sec > 0 {
		b.end = at.Time()
	}
	if b.lastSign && alive {
		b.system.system.life, b.lastSign = at, false
	}
}

func (b *Backward) lineless(r *utmpx.Record) {
	if len(b.dead) >= mostLines {
		clear(b.dead)
		b.forgot = true
	}
	e := logoutOf(r)
	b.keep(&e)
	who := processOf(r)
	who.id = strings.Clone(who.id)
	b.dead[who] = &e
}

// onRaw is on for the line of a record that is not decoded.
func (b *Backward) onRaw(p []byte) *end {
	first, second, short := b.fields.ShortLine(p)
	if !short {
		return b.on(b.fields.Line(p))
	}
	return b.onShort(p, first, second)
}

// onShort is onRaw for a line that is these two words.
func (b *Backward) onShort(p []byte, first, second uint64) *end {
	const odd = 0x9e3779b97f4a7c15 // spreads what differs over the upper bits
	r := &b.recent[(first*odd^second)*odd>>(64-10)]
	if r.next == nil || r.first != first || r.second != second {
		next := b.on(b.fields.Line(p)) // it may clear recent
		r.first, r.second, r.next = first, second, next
	}
	return r.next
}

// on returns what follows on a line. It has no ending if nothing is known.
func (b *Backward) on(line string) *end {
	if e := b.lines[line]; e != nil {
		return e
	}
	if len(b.lines) >= mostLines {
		b.forget()
	}
	e := new(end)
	b.lines[strings.Clone(line)] = e
	return e
}

// forget makes room. What follows a login is worth less than an end whose login is still to
// come.
func (b *Backward) forget() {
	maps.DeleteFunc(b.lines, func(_ string, e *end) bool { return e.by == Replaced })
	if len(b.lines) > mostLines/2 {
		clear(b.lines)
	}
	b.recent = [len(b.recent)]recentLine{}
	b.forgot = true
}

// keep notes where an end is.
func (b *Backward) keep(e *end) { e.seq, e.place = b.seq, b.here }

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

// Done reports whether all sessions that are still to come ended before the beginning of
// what [Backward.Only] asks for.
func (b *Backward) Done() bool { return b.done }

// Time returns the time of the record added last.
func (b *Backward) Time() utmpx.Time { return b.last }

// Rest returns the sessions whose logins are before the first record: their logouts have no
// login. It is called after the last record.
func (b *Backward) Rest() []Session {
	var all []Session
	for _, line := range slices.Sorted(maps.Keys(b.lines)) {
		if e := b.lines[line]; e.by != Replaced {
			all = append(all, orphan(utmpx.Record{Line: line, PID: e.pid}, *e))
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

// endOf returns the end of a login before which next follows on its line, and what was read
// in between. ok is false if the login is that of a session which is known already, or
// which is left out.
func (b *Backward) endOf(next *end, at utmpx.Time, p process, user string) (e *end, between place, ok bool) {
	if e = next; e.by == "" {
		e = nil
	}
	if len(b.dead) > 0 {
		if d := b.dead[p]; d != nil && (e == nil || d.seq > e.seq) {
			e = d
		}
	}
	lost := e == nil && b.forgot
	if e == nil {
		e = b.system
	}
	between = b.here
	if e != nil {
		between = e.place.to(b.here)
	}
	if lost {
		between.holes++
	}
	ok = e == nil || !e.repeats(at, p.pid, user, between) && !b.off(at, e, between)
	return e, between, ok
}

// off reports whether a session is to be left out: it ended at a time that is known, by a
// clock that was not set.
func (b *Backward) off(at utmpx.Time, e *end, between place) bool {
	if !b.limited || !e.sure || between != (place{}) {
		return false
	}
	from, to := micros(at), micros(e.at)
	if to < from {
		return false
	}
	return from > b.final || to <= b.first && from < b.first
}

// micros returns a time in microseconds, of which those that are out of range count as 0.
func micros(t utmpx.Time) int64 {
	const most = 1 << 42 // seconds: later than any, and no overflow
	sec := max(-most, min(t.Sec, most))
	if t.Usec < 0 || t.Usec > 999_999 {
		return sec * 1e6
	}
	return sec*1e6 + t.Usec
}

// finish makes now the session of its login.
func (b *Backward) finish(e *end, between place) {
	finish(&b.now, e, between)
	b.present(&b.now, &b.now.Login)
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
