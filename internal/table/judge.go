// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"fmt"
	"slices"
	"time"
	"utmpd.dev/utmpd/internal/session"
)

// requested looks at the processes named and, since a request may come before
// the notice of the change that it tells of, at the file.
func (t *Table) requested(ev Requested) {
	t.out.Rescan = true
	for _, pid := range ev.PIDs {
		g := t.groups[pid]
		if g == nil {
			continue
		}
		// A watched process needs no answer: if it has ended, the Watcher says so.
		t.askGroup(pid, g)
		for s := g.first; s != nil; s = s.next {
			if s.state == unwatched {
				t.setState(s, asking)
				s.ask = g.issued
			}
		}
	}
}

// lookAtUnwatched asks about every process that is not watched; it will be
// watched from now on if there is room.
func (t *Table) lookAtUnwatched() {
	t.unwatchedDue = false
	t.unwatchedNext = t.now.Mono + recheckGap
	for s := range t.each() {
		if s.state == unwatched {
			t.ask(s)
		}
	}
}

// answered yields the sessions that an answer about pid settles.
func (t *Table) answered(pid int32) []*entry {
	g := t.groups[pid]
	if g == nil {
		return nil
	}
	if g.answered < g.issued {
		g.answered++
	}
	var settled []*entry
	for s := g.first; s != nil; s = s.next {
		if s.state == asking && s.ask <= g.answered {
			settled = append(settled, s)
		}
	}
	t.dropGroup(pid, g)
	return settled
}

// alive binds those who asked to the process found, unless it cannot be theirs.
func (t *Table) alive(ev Alive) {
	settled := t.answered(ev.PID)
	var p *process
	if ev.Token != 0 {
		p = t.process(ev)
	}
	for _, s := range settled {
		switch {
		case s.id.PID != 0 && !s.id.Same(ev.ID):
			t.dead(s, "its pid is another process's by now")
		case s.id.PID == 0 && t.tooLate(s, ev):
			t.dead(s, "its pid is of a process that started later")
		default:
			t.settle(s, p, ev)
		}
	}
}

// process returns the watched process of that token, and takes it in if it is new.
func (t *Table) process(ev Alive) *process {
	p := t.procs[ev.Token]
	if p == nil {
		p = &process{token: ev.Token, pid: ev.ID.PID}
		t.procs[ev.Token] = p
	}
	if p.refs == 0 {
		t.orphans[ev.Token] = p
	}
	return p
}

// settle notes that s lives by the process that ev found.
func (t *Table) settle(s *entry, p *process, ev Alive) {
	first := s.id.PID == 0
	s.id = ev.ID.Or(s.id)
	if !s.seen {
		s.seen, s.since = true, t.now.Mono
	}
	s.last, s.alive = t.now.Mono, wallOf(t.now.Wall)
	s.end, s.why = 0, ""
	if p == nil {
		t.setState(s, unwatched)
		return
	}
	t.setState(s, watched)
	t.bind(s, p)
	if first {
		t.report(Report{Kind: Watching, Record: t.record(s)})
	}
}

// tooLate reports whether the process found under ut_pid is proven to be
// another than the one that the record meant: it started later. The record's
// time and the present clock can be compared only while BOOT_TIME shows that
// the clock was not stepped in between.
func (t *Table) tooLate(s *entry, ev Alive) bool {
	login := t.record(s).Time
	if login.Sec == 0 || ev.Started.IsZero() || t.boot.Sec == 0 {
		return false
	}
	drift := t.boot.Time().Sub(ev.Boot)
	// As much later as BOOT_TIME may be, a step forward of the clock may be hidden
	// behind it, and more than the slack must not be.
	if drift < -bootEarly || drift > reuseSlack-bootEarly {
		return false
	}
	if login.Time().Before(t.boot.Time()) {
		return false // the clock was wrong when the record was written
	}
	return ev.Started.Sub(login.Time()) > reuseSlack
}

// gone is the answer that nothing lives under a pid.
func (t *Table) gone(ev Gone) {
	for _, s := range t.answered(ev.PID) {
		if ev.Status.Known {
			s.status = ev.Status
		}
		t.dead(s, "")
	}
}

// dead takes note that a session was found dead, without having seen it die.
func (t *Table) dead(s *entry, why string) {
	t.unbind(s)
	t.died(s, false)
	s.why = why
}

// exited takes note of a death seen.
func (t *Table) exited(ev Exited) {
	p := t.procs[ev.Token]
	if p == nil || p.dead {
		return
	}
	p.dead, p.status = true, ev.Status
	if g := t.groups[p.pid]; g != nil {
		for s := g.first; s != nil; s = s.next {
			// One that is asking is answered by itself, from after the death.
			if s.proc == p && s.state == watched {
				t.died(s, true)
			}
		}
	}
	if p.refs == 0 {
		t.orphans[p.token] = p
	}
}

func (t *Table) reaped(ev Reaped) {
	if p := t.procs[ev.Token]; p != nil && ev.Status.Known {
		p.status = ev.Status
	}
}

// died starts the grace of a session. A death that an earlier run saw keeps its time.
func (t *Table) died(s *entry, seen bool) {
	s.endMono = t.now.Mono
	if seen {
		s.last = t.now.Mono
	}
	if s.end == 0 {
		s.end, s.exact = wallOf(t.now.Wall), seen
	}
	t.report(Report{Kind: Dying, Record: t.record(s), End: s.end.time()})
	t.wait(s, t.now.Mono+t.set.Grace)
}

// leaders goes on with those who asked who leads their terminal: a record
// stays while a session leader from before the death lives on its line.
func (t *Table) leaders(ev Leaders) {
	var told []*entry
	for line := range ev.Lines {
		q := t.leading[line]
		if q == nil {
			continue
		}
		delete(t.leading, line)
		told = append(told, q.told...)
		for _, s := range q.later {
			if t.asksLeader(s) {
				t.findLeader(s, line)
			}
		}
	}
	slices.SortFunc(told, func(a, b *entry) int { return int(a.slot) - int(b.slot) }) // as they stand in the file
	t.out.Clean = slices.Grow(t.out.Clean, len(told))
	for _, s := range told {
		if t.asksLeader(s) {
			t.led(s, ev.Lines[t.record(s).Line])
		}
	}
}

// asksLeader reports whether a session that asked still waits for the answer.
func (t *Table) asksLeader(s *entry) bool {
	return t.at(int(s.slot)) == s && s.state == askingLeader
}

// led goes on with a session by what was found on its line.
func (t *Table) led(s *entry, leader Leader) {
	switch {
	case leader.Hidden:
		t.stay(s, "its terminal is still there, and /proc hides who leads it")
	case leader.Found && leader.Age+clockTick >= t.now.Mono-s.endMono && !t.ownsLine(leader.ID, s):
		t.follow(s, leader)
	default:
		t.clean(s)
	}
}

// stay has a session wait, for as long as it takes, and tells so once.
func (t *Table) stay(s *entry, why string) {
	if s.why != why {
		s.why = why
		t.report(Report{Kind: Left, Record: t.record(s), Reason: why})
	}
	t.wait(s, t.now.Mono+retryHidden)
}

// ownsLine reports whether the leader is the process of another record of the
// same line: then it is that session's, not this one's. Of one that is being asked
// about, again or for the first time, nothing speaks against it.
func (t *Table) ownsLine(id session.ID, s *entry) bool {
	g := t.groups[id.PID]
	if g == nil {
		return false
	}
	for o := g.first; o != nil; o = o.next {
		lives := o.state == watched || o.state == unwatched || o.state == asking
		if o != s && !o.led && lives && (o.id.PID == 0 || o.id.Same(id)) && t.record(o).Line == t.record(s).Line {
			return true
		}
	}
	return false
}

// follow has the session live by its line's leader.
func (t *Table) follow(s *entry, leader Leader) {
	t.report(Report{Kind: Left, Record: t.record(s),
		Reason: fmt.Sprintf("its line still has a session leader, pid %d", leader.ID.PID)})
	t.unbind(s)
	t.leave(s)
	s.led, s.pid, s.id = true, leader.ID.PID, leader.ID
	s.end, s.exact, s.status, s.why = 0, false, session.Status{}, ""
	t.ask(s)
}

// clean orders the record to be marked, unless it is a display's whose process
// was not seen alive for long enough.
func (t *Table) clean(s *entry) {
	r := t.record(s)
	if len(r.Line) > 0 && r.Line[0] == ':' && !s.seenFor(displayAge) {
		s.left = true
		t.leaveAlone(s, false)
		t.report(Report{Kind: Left, Record: r,
			Reason: "the process of a display's record was not seen alive for a minute"})
		return
	}
	t.setState(s, cleaning)
	end := s.end.time()
	if login := r.Time.Time(); end.Before(login) {
		end = login
	}
	if s.proc != nil && s.proc.status.Known {
		s.status = s.proc.status
	}
	job := session.Job{
		Generation: t.snap.Generation(), Slot: int(s.slot), Record: r,
		End: end, Status: s.status, SkipLog: t.logGivenUp(),
	}
	if !s.exact {
		job.After, job.Found = s.aliveUntil(r), s.why
	}
	if job.SkipLog {
		t.promise(job)
	}
	t.out.Clean = append(t.out.Clean, job)
}

// seenFor reports whether the session's process was seen alive for that long.
// That it was found dead later than that proves nothing.
func (s *entry) seenFor(d time.Duration) bool { return s.seen && s.last-s.since >= d }
