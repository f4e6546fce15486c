// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

const (
	// reuseSlack is how much later than its record a process must have started to
	// count as another one that got the pid. Many writers cut the time to seconds, and
	// BOOT_TIME, which shows that the clock was not set, is written some seconds after
	// the kernel started.
	reuseSlack = 60 * time.Second
	// bootEarly is how far BOOT_TIME may be before the boot by the present clock. More
	// means that the clock was set since.
	bootEarly = 2 * time.Second
	// loginTakes is how long before a login the process that serves it began at most.
	loginTakes = 10 * time.Minute
	// recheckGap is the least time between two rounds of questions about processes that
	// are not watched, however often the file changes.
	recheckGap = time.Second
)

// processes are the questions about pids and the processes that are watched.
type processes struct {
	byPID   map[int32]*group
	byToken map[session.Token]*process
	// idle may have lost their last session in this call of Handle.
	idle map[session.Token]*process
}

func newProcesses() processes {
	return processes{
		byPID:   map[int32]*group{},
		byToken: map[session.Token]*process{},
		idle:    map[session.Token]*process{},
	}
}

// group is all sessions that live by one pid, and the count of questions asked and
// answered about it: an answer counts only for sessions that asked before it was given.
type group struct {
	first            *entry
	outer            bool   // one of them was seen to stand below who leads its line
	askedIn          uint64 // the Handle that last asked
	issued, answered int32
}

// process is a watched process.
type process struct {
	token  session.Token
	status session.Status
	pid    int32
	refs   int32 // sessions bound to it
	dead   bool
}

// requested looks at the processes named and, since a request may arrive before the
// notice of the change that caused it, at the file.
func (t *Table) requested(ev Requested) {
	t.out.Rescan = true
	for _, pid := range ev.PIDs {
		g := t.processes.byPID[pid]
		if g == nil {
			continue
		}
		// A watched process needs no question: the Watcher reports its end.
		t.askGroup(pid, g)
		for s := g.first; s != nil; s = s.next {
			if s.state == unwatchedNow {
				t.setState(s, asking)
				s.ask = g.issued
			}
		}
	}
}

// ask has the Watcher look at the pid of a session. Sessions of one pid that ask in one
// Handle share the question.
func (t *Table) ask(s *entry) {
	t.setState(s, asking)
	g := t.join(s)
	t.askGroup(s.pid, g)
	s.ask = g.issued
}

func (t *Table) askGroup(pid int32, g *group) {
	if g.askedIn == t.handles {
		return
	}
	g.askedIn = t.handles
	g.issued++
	t.watch(pid)
}

// unwatched is when to ask again about processes that are not watched.
type unwatched struct {
	due      bool          // a scan wants it
	next     time.Duration // not before this moment
	reported int           // how many there were, as last reported
	hazy     bool          // some are watched of which the pid alone is known: /proc may show them by now
}

// scanned plans a round of questions after a scan: at once after a periodic one.
func (u *unwatched) scanned(n int, periodic bool, now time.Duration) {
	u.due = n > 0 || u.hazy && periodic
	if periodic {
		u.next = now
	}
}

// askUnwatched asks about every process that is not watched, and of which the pid alone is
// known. It is watched from then on if there is room.
func (t *Table) askUnwatched() {
	t.unwatched.due, t.unwatched.hazy = false, false
	t.unwatched.next = t.now.Mono + recheckGap
	for s := range t.utmpx.each() {
		if s.unknownNow() {
			t.ask(s)
		}
	}
	for s := range t.waits.each() {
		if s.unknownNow() {
			t.ask(s)
		}
	}
}

// unknownNow reports whether a session's process must be asked about again: nothing tells of
// its end, or it may be another one.
func (s *entry) unknownNow() bool { return s.state == unwatchedNow || s.state == watched && s.hazy }

// reportUnwatched reports when some records are not watched, and when all are again;
// not while answers are awaited.
func (t *Table) reportUnwatched() {
	n := t.counts.Unwatched
	if t.counts.Asking == 0 && (n == 0) != (t.unwatched.reported == 0) {
		t.report(session.Unwatched{Sessions: n})
		t.unwatched.reported = n
	}
}

// alive binds the sessions that asked to the process found, unless it cannot be theirs.
func (t *Table) alive(ev Alive) {
	var few [4]*entry
	asked := t.answered(few[:0], ev.PID)
	var p *process
	if ev.Token != 0 {
		p = t.process(ev)
	}
	for _, s := range asked {
		switch {
		case ev.Nobody != session.Somebody && !s.led:
			t.foundDead(s, foundNobody(ev.Nobody))
		case t.onGetty(s):
			t.foundDead(s, foundGone)
		case s.id.PID != 0 && !s.id.Same(ev.ID):
			t.foundDead(s, foundOther)
		case s.id.PID == 0 && t.startedLater(s, ev) && s.alone: // its own was never seen
			t.giveUp(s)
		case s.id.PID == 0 && t.startedLater(s, ev):
			t.foundDead(s, foundLater)
		default:
			t.lives(s, p, ev)
			t.livesAlone(s)
		}
	}
}

// began reports whether a process started when one that serves a login would have: not
// long before it.
func began(started time.Time, login utmpx.Time) bool {
	before := login.Time().Sub(started)
	return !started.IsZero() && login.Sec != 0 && before < loginTakes && before > -reuseSlack
}

func foundNobody(n session.Nobody) finding {
	switch n {
	case session.KernelThread:
		return foundKernel
	case session.Ourselves:
		return foundSelf
	}
	return foundInit
}

// gone is the answer that nothing lives under a pid.
func (t *Table) gone(ev Gone) {
	var few [4]*entry
	for _, s := range t.answered(few[:0], ev.PID) {
		if ev.Status.Known {
			s.status = ev.Status
		}
		t.foundDead(s, foundGone)
	}
}

// answered appends to asked the sessions for which an answer about pid counts.
func (t *Table) answered(asked []*entry, pid int32) []*entry {
	g := t.processes.byPID[pid]
	if g == nil {
		return asked
	}
	if g.answered < g.issued {
		g.answered++
	}
	for s := g.first; s != nil; s = s.next {
		if s.state == asking && s.ask <= g.answered {
			asked = append(asked, s)
		}
	}
	t.dropGroup(pid, g)
	return asked
}

// process returns the watched process of that token, and takes it in if it is new.
func (t *Table) process(ev Alive) *process {
	p := t.processes.byToken[ev.Token]
	if p == nil {
		p = &process{token: ev.Token, pid: ev.ID.PID}
		t.processes.byToken[ev.Token] = p
	}
	if p.refs == 0 {
		t.processes.idle[ev.Token] = p
	}
	return p
}

// startedLater reports whether the process found under ut_pid is proven to be another
// one than the record meant, because it started later. The record's time and the
// present clock can be compared only while BOOT_TIME shows that the clock was not set
// in between.
func (t *Table) startedLater(s *entry, ev Alive) bool {
	boot := t.utmpx.boot
	if s.login.Sec == 0 || ev.Started.IsZero() || !t.clockKept(ev.Boot) {
		return false
	}
	if s.login.Time().Before(boot.Time()) {
		return false // the clock was wrong when the record was written
	}
	return ev.Started.Sub(s.login.Time()) > reuseSlack
}

// clockKept reports whether BOOT_TIME shows that the clock was not set since the boot,
// which was at booted by the present clock.
func (t *Table) clockKept(booted time.Time) bool {
	if t.utmpx.boot.Sec == 0 {
		return false
	}
	drift := t.utmpx.boot.Time().Sub(booted)
	// A step of the clock forward may hide in the time by which BOOT_TIME may be late.
	// It must not be more than the slack.
	return drift >= -bootEarly && drift <= reuseSlack-bootEarly
}

// lives notes that a session lives by the process that ev found.
func (t *Table) lives(s *entry, p *process, ev Alive) {
	first := s.id.PID == 0
	if first && !s.led {
		s.fits = began(ev.Started, s.login)
	}
	sure := !ev.Unsure && (p != nil || ev.ID.Known())
	if !s.seen || sure && !s.goesOn(p, ev.ID) {
		s.since = t.now.Mono
	}
	s.id, s.seen = ev.ID.Or(s.id), true
	s.hazy = ev.Unsure && p != nil
	t.unwatched.hazy = t.unwatched.hazy || s.hazy
	if sure {
		s.sure = true
		s.aliveAt(t.now.Mono, t.now.Wall)
	}
	s.end, s.found, s.hidden = 0, foundGone, false
	t.look(s)
	if p == nil {
		t.setState(s, unwatchedNow)
		return
	}
	t.setState(s, watched)
	t.bind(s, p)
	if first && s.source != &t.waits {
		t.report(session.Watching{Record: s.record()})
	}
}

// goesOn reports whether the process found is surely the one by which the session was known
// to live before.
func (s *entry) goesOn(p *process, id session.ID) bool {
	return s.sure && (p != nil && s.proc == p || s.id.Proves(id))
}

// foundDead notes that a session was found dead that nobody saw die.
func (t *Table) foundDead(s *entry, how finding) {
	t.unbind(s)
	s.found = how
	t.beginGrace(s, false)
}

// exited takes note of a death that was seen.
func (t *Table) exited(ev Exited) {
	p := t.processes.byToken[ev.Token]
	if p == nil || p.dead {
		return
	}
	p.dead, p.status = true, ev.Status
	t.touchBound(p)
	if g := t.processes.byPID[p.pid]; g != nil {
		var next *entry // one that waited leaves the group
		for s := g.first; s != nil; s = next {
			next = s.next
			// A session that asks gets its own answer, from after the death.
			if s.proc == p && s.state == watched {
				s.found = foundGone
				if ev.Late {
					s.foundLate(ev)
				}
				t.beginGrace(s, !ev.Late)
			}
		}
	}
	if p.refs == 0 {
		t.processes.idle[p.token] = p
	}
}

// foundLate notes that a death was found when utmpd ran again, or /proc showed it.
func (s *entry) foundLate(ev Exited) {
	s.found = foundAway
	if ev.Hidden {
		s.found = foundHidden
	}
	if ev.Since > s.last {
		s.aliveAt(ev.Since, ev.SinceWall)
	}
}

func (t *Table) reaped(ev Reaped) {
	if p := t.processes.byToken[ev.Token]; p != nil && ev.Status.Known {
		p.status = ev.Status
		t.touchBound(p)
	}
}

// join enters a session in the group of its pid.
func (t *Table) join(s *entry) *group {
	g := t.processes.byPID[s.pid]
	if g == nil {
		g = &group{}
		t.processes.byPID[s.pid] = g
	}
	if s.joined {
		return g
	}
	s.joined, s.prev, s.next = true, nil, g.first
	if g.first != nil {
		g.first.prev = s
	}
	g.first = s
	if g.outer {
		g.markTwins(s)
	}
	return g
}

// leave takes a session out of the group of its pid.
func (t *Table) leave(s *entry) {
	if !s.joined {
		return
	}
	g := t.processes.byPID[s.pid]
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		g.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.joined, s.prev, s.next = false, nil, nil
	t.dropGroup(s.pid, g)
}

func (t *Table) dropGroup(pid int32, g *group) {
	if g.first == nil && g.issued == g.answered {
		delete(t.processes.byPID, pid)
	}
}

// bind has a session live by a watched process.
func (t *Table) bind(s *entry, p *process) {
	if s.proc == p {
		return
	}
	t.unbind(s)
	s.proc = p
	p.refs++
}

func (t *Table) unbind(s *entry) {
	p := s.proc
	if p == nil {
		return
	}
	s.proc = nil
	if p.refs--; p.refs == 0 {
		t.processes.idle[p.token] = p
	}
}

// forgetProcesses has the Watcher forget processes that no session lives by. One whose
// pid is being asked about stays until the answer, which may bind it again.
func (t *Table) forgetProcesses() {
	var few [4]session.Token
	for _, token := range sortedKeysIn(few[:0], t.processes.idle) {
		p := t.processes.idle[token]
		if p.refs > 0 {
			delete(t.processes.idle, p.token)
			continue
		}
		if g := t.processes.byPID[p.pid]; !p.dead && g != nil && g.issued > g.answered {
			continue
		}
		delete(t.processes.idle, p.token)
		delete(t.processes.byToken, p.token)
		t.forget(p.token)
	}
}
