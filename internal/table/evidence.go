// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

const (
	// clockTick is the resolution of the start times of processes.
	clockTick = session.Tick
	// retryHidden is the pause before evidence is asked for again where /proc hides
	// processes.
	retryHidden = 5 * time.Second
)

// evidence has the sessions whose evidence has been asked for, by the key of the
// question: the session's, with reviewKey if nothing has happened to it.
type evidence map[uint64]*entry

const reviewKey = 1 << 63

// question returns what must be known before a session's record is cleaned. any is false
// if nothing is. Processes of other pid namespaces are asked for unless the process that
// had ut_pid here was seen to be this session's. That it began when the login did proves
// nothing: any number of a container's may be that of a process here, and soon after a
// boot all processes are young. The price is a ghost where a session without a terminal
// ends, and a living container's process has its number: it stays until that one ends.
func (t *Table) question(s *entry) (q session.Question, any bool) {
	q = session.Question{Key: s.key, User: s.user}
	display, shown := s.display()
	shown = shown && !s.alone
	if shown && t.needsWitness(s, display) {
		q.Shown, q.Display, any = true, display, true
	}
	if t.asksForLeaders(s) && (!shown || display.VT != 0) {
		q.Line, q.Held, any = s.line, s.term, true
		if s.sight != nil {
			q.Owner, q.Own = s.sight.Owner, s.sight.Leader
		}
	}
	// Such a display stays until somebody shows it, whoever had the number.
	inDoubt := q.Shown && display.VT == 0 && !s.led
	if !s.ledLine() && !inDoubt && s.found != foundNoSession {
		number := s.pid // of the process it lives by, which is its record's but for these
		if s.led || s.source == &t.waits {
			number = s.source.record(s).PID
		}
		if number > 0 && !t.numbers.exclude(s, number) {
			q.PID, q.Mark = number, t.opened
		}
	}
	return q, any || q.PID != 0
}

// asksForLeaders reports whether a session may live by who leads its line.
func (t *Table) asksForLeaders(s *entry) bool {
	return maybeTerminal(s.line) && s.found != foundNoSession && (t.set.KeepBusyLines || s.found == foundInit)
}

// maybeTerminal reports whether ut_line can name a device below /dev.
func maybeTerminal(line string) bool {
	return line != "" && line[0] != ':' && line[0] != '/' && !strings.Contains(line, "..")
}

// gather asks for the evidence about a session.
func (t *Table) gather(s *entry, q session.Question) {
	t.setState(s, gathering)
	t.evidence[s.key] = s
	t.out.Gather = append(t.out.Gather, q)
}

// gathered goes on with the sessions whose evidence has come.
func (t *Table) gathered(ev Gathered) {
	t.out.Clean = slices.Grow(t.out.Clean, len(ev.Evidence))
	for _, e := range ev.Evidence {
		t.numbers.learn(e.Numbers, e.Mark)
		s := t.evidence[e.Key]
		if s == nil { // closed meanwhile
			continue
		}
		delete(t.evidence, e.Key)
		switch {
		case e.Key != s.key:
			t.reviewed(s, e)
		case s.state == gathering:
			t.carryOut(s, judge(t.facts(s, e)))
		}
	}
}

// review asks again about a session to which nothing has happened.
func (t *Table) review(s *entry, q session.Question) {
	q.Key = s.key | reviewKey
	if t.evidence[q.Key] == nil {
		t.evidence[q.Key] = s
		t.out.Gather = append(t.out.Gather, q)
	}
}

// reviewed goes on with a session that was asked about again.
func (t *Table) reviewed(s *entry, e session.Evidence) {
	switch {
	case s.ledAlive():
		t.judgeLogind(s, e.Witness)
	case s.state != done || !s.review:
	case !s.left:
		t.judgeIdle(s, e.Idle)
	default:
		v := judge(t.facts(s, e))
		if v.what == livesOn || v.what == dead && s.found == foundOlder {
			s.left, s.review = false, false
			t.carryOut(s, v)
		}
	}
}

// facts puts together what the machine and the table know of a session.
func (t *Table) facts(s *entry, e session.Evidence) facts {
	f := facts{
		gone: e.Gone, unsure: e.Unsure, hidden: e.Hidden, blind: e.Blind, seen: s.seen, user: e.User, owner: e.Owner,
		display: t.displayFacts(s, e.Witness), anyone: s.alone,
	}
	if s.held != nil {
		f.seen = s.held.seen
	}
	if s.sight != nil {
		f.owner = s.sight.Owner
	}
	for _, l := range e.Leaders {
		if s.found == foundInit && !t.set.KeepBusyLines && l.ID.PID != 1 {
			continue
		}
		c := t.candidate(s, l)
		c.own, c.outer = s.sawOn(l) // of a login in the log alone there was no look
		c.others = t.ownsLine(l, s)
		f.leaders = append(f.leaders, c)
	}
	for _, n := range e.Namesakes {
		if !t.beganAfter(s, n.ID) {
			f.namesakes = append(f.namesakes, t.candidate(s, n))
		}
	}
	return f
}

func (t *Table) candidate(s *entry, c session.Candidate) candidate {
	return candidate{Candidate: c, earlier: c.ID.SinceBoot() <= s.diedUp+clockTick}
}

// beganAfter reports whether a process is proven to have begun after the login of a session,
// as startedLater does.
func (t *Table) beganAfter(s *entry, id session.ID) bool {
	boot := t.now.Wall.Add(-t.now.Up)
	return id.Start != 0 && t.startedLater(s, Alive{Boot: boot, Started: boot.Add(id.SinceBoot())})
}

// sawOn reports what was seen of a leader while the session's process lived. A leader
// below the session's own has taken the terminal from it, as login(1) does: the session
// lives on by its own.
func (s *entry) sawOn(l session.Candidate) (own session.ID, outer bool) {
	if s.sight == nil {
		return own, false
	}
	if id := s.sight.Leader; id.PID != 0 && (id.Same(l.ID) || slices.ContainsFunc(l.Above, id.Same)) {
		own = id
	}
	return own, !s.twin && s.sight.Outer.PID != 0 && s.sight.Outer.Same(l.ID)
}

// carryOut goes on with a session as judged.
func (t *Table) carryOut(s *entry, v verdict) {
	switch v.what {
	case unknown:
		t.stayHidden(s, v.reason)
	case livesOn:
		s.held = nil
		t.follow(s, v)
		s.logind = v.logind
	case heldBy:
		t.hold(s)
		t.follow(s, v)
	case stays:
		t.leaveDisplay(s, v.reason)
	default:
		t.noLonger(s)
	}
}

// held is what was known of a session's end before it was held by a process whose end
// proves nothing.
type held struct {
	end    wallTime
	alive  wallTime // when it was last known alive
	status session.Status
	found  finding
	exact  bool
	seen   bool // the process of its record was seen alive
	long   bool // for as long as a display's must be
	led    bool // it had lived on by another than that, as by who shows its display
}

func (t *Table) hold(s *entry) {
	if s.held != nil {
		return
	}
	if s.proc != nil && s.proc.status.Known {
		s.status = s.proc.status
	}
	s.held = &held{s.end, s.alive, s.status, s.found, s.exact, s.seen, s.seenFor(displayAge), s.led}
}

// noLonger goes on with a session for which nothing speaks. If it was held, it ended when
// its own process did; if that was never seen, nobody knows.
func (t *Table) noLonger(s *entry) {
	h := s.held
	if h == nil {
		if s.hidden && !s.seen && s.source != &t.waits { // it may have lived until now
			s.end = wallOf(t.now.Wall)
			s.relabel(t.now)
		}
		t.clean(s)
		return
	}
	t.unbind(s)
	if !h.seen && s.source == &t.waits {
		t.giveUp(s)
		return
	}
	if !h.seen {
		s.left = true
		t.leaveAlone(s, false)
		t.reportLeft(s, "it was kept by a process of another user namespace, whose end proves nothing")
		return
	}
	s.end, s.alive, s.status, s.found, s.exact = h.end, h.alive, h.status, h.found, h.exact
	t.clean(s)
}

// stayHidden has a session wait for as long as it cannot be known whether it lives, and
// reports that once.
func (t *Table) stayHidden(s *entry, reason string) {
	if s.alone {
		t.park(s) // until the next reading
		return
	}
	if !s.hidden {
		s.hidden = true
		t.reportLeft(s, reason)
	}
	t.wait(s, t.now.Mono+retryHidden)
}

// ownsLine reports whether a leader belongs to another record of the line: it is that
// record's process, which lives, or descends from it, or waits for a login. A record
// whose process is being asked about counts as one that lives.
func (t *Table) ownsLine(l session.Candidate, s *entry) bool {
	if t.utmpx.waitsOn(s.line, l.ID.PID) {
		return true
	}
	for at := -1; at < len(l.Above); at++ {
		id := l.ID
		if at >= 0 {
			id = l.Above[at]
		}
		g := t.processes.byPID[id.PID]
		if g == nil {
			continue
		}
		for o := g.first; o != nil; o = o.next {
			if o != s && o.line == s.line && !o.alone && o.owns(id) && !t.waits.sharesLeader(o, s) {
				return true
			}
		}
	}
	return false
}

// gettyWaits takes note that the process under a pid waits for a login on a line: no session
// lives by it, even if it was taken for one's leader before.
func (t *Table) gettyWaits(line string, pid int32) {
	g := t.processes.byPID[pid]
	if g == nil {
		return
	}
	for s := g.first; s != nil; s = s.next {
		lives := s.state == watched || s.state == unwatchedNow || s.state == asking
		if lives && s.line == line && t.onGetty(s) {
			t.foundDead(s, foundGone)
		}
	}
}

// onGetty reports whether the process by which a session is to live on waits for a login.
func (t *Table) onGetty(s *entry) bool {
	own := s.sight != nil && s.sight.Leader.Same(s.id)
	return s.led && !own && t.utmpx.waitsOn(s.line, s.pid)
}

// owns reports whether the session lives, and a process is its own.
func (s *entry) owns(id session.ID) bool {
	if s.state != watched && s.state != unwatchedNow && s.state != asking {
		return false
	}
	if s.led {
		return s.sight != nil && s.sight.Leader.PID != 0 && s.sight.Leader.Same(id)
	}
	return s.id.PID == 0 || s.id.Same(id)
}

// follow has a session live by another process than its record names.
func (t *Table) follow(s *entry, v verdict) {
	t.reportLeft(s, fmt.Sprintf("%s, pid %d", v.reason, v.by.PID))
	t.unbind(s)
	t.leave(s)
	s.led, s.leads, s.pid, s.id = true, v.leads, v.by.PID, v.by
	t.followTerminal(s)
	s.end, s.exact, s.status, s.found, s.hidden = 0, false, session.Status{}, foundGone, false
	s.left, s.review = false, false
	t.ask(s)
}
