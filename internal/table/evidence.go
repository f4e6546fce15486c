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
// if nothing is.
func (t *Table) question(s *entry) (q session.Question, any bool) {
	q = session.Question{Key: s.key, PID: s.pid, User: s.user}
	display, shown := s.display()
	if shown && t.needsWitness(s, display) {
		q.Shown, q.Display, any = true, display, true
	}
	if t.set.KeepBusyLines && maybeTerminal(s.line) && (!shown || display.VT != 0) && s.found != foundNoSession {
		q.Line, any = s.line, true
	}
	return q, any
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
		if v := judge(t.facts(s, e)); v.what == livesOn {
			t.carryOut(s, v)
		}
	}
}

// facts puts together what the machine and the table know of a session.
func (t *Table) facts(s *entry, e session.Evidence) facts {
	f := facts{hidden: e.Hidden, display: t.displayFacts(s, e.Witness)}
	for _, l := range e.Leaders {
		f.leaders = append(f.leaders, leaderFacts{
			id:      l.ID,
			earlier: l.ID.SinceBoot() <= s.diedUp+clockTick,
			others:  t.ownsLine(l.ID, s),
		})
	}
	return f
}

// carryOut goes on with a session as judged.
func (t *Table) carryOut(s *entry, v verdict) {
	switch v.what {
	case unknown:
		t.stayHidden(s, v.reason)
	case livesOn:
		t.follow(s, v.by, v.reason)
		s.logind = v.logind
	case stays:
		t.leaveDisplay(s, v.reason)
	default:
		t.clean(s)
	}
}

// stayHidden has a session wait for as long as it cannot be known whether it lives, and
// reports that once.
func (t *Table) stayHidden(s *entry, reason string) {
	if !s.hidden {
		s.hidden = true
		t.reportLeft(s, reason)
	}
	t.wait(s, t.now.Mono+retryHidden)
}

// ownsLine reports whether the leader is the process of another record of the same line:
// then it is that session's, not this one's. A record whose process is being asked about
// counts as one that lives.
func (t *Table) ownsLine(leader session.ID, s *entry) bool {
	g := t.processes.byPID[leader.PID]
	if g == nil {
		return false
	}
	for o := g.first; o != nil; o = o.next {
		lives := o.state == watched || o.state == unwatchedNow || o.state == asking
		if o != s && !o.led && lives && (o.id.PID == 0 || o.id.Same(leader)) && o.line == s.line {
			return true
		}
	}
	return false
}

// follow has a session live by another process than its record names.
func (t *Table) follow(s *entry, by session.ID, reason string) {
	t.reportLeft(s, fmt.Sprintf("%s, pid %d", reason, by.PID))
	t.unbind(s)
	t.leave(s)
	s.led, s.pid, s.id = true, by.PID, by
	s.end, s.exact, s.status, s.found, s.hidden = 0, false, session.Status{}, foundGone, false
	s.left, s.review = false, false
	t.ask(s)
}
