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
	// retryHidden is the pause before the leader of a terminal is looked for again where
	// /proc hides processes.
	retryHidden = 5 * time.Second
)

// leaders are the questions for the session leader of a line that are not answered
// yet.
type leaders map[string]*leaderQuestion

// leaderQuestion is one question. The answer counts for the sessions that asked in the
// same Handle; those that asked later get a question of their own after it.
type leaderQuestion struct {
	askedIn     uint64 // the Handle
	asked, late []*entry
}

// maybeTerminal reports whether ut_line can name a device below /dev.
func maybeTerminal(line string) bool {
	return line != "" && line[0] != ':' && line[0] != '/' && !strings.Contains(line, "..")
}

// findLeader asks for the leader of the session's terminal, once for all sessions that
// ask in one Handle.
func (t *Table) findLeader(s *entry) {
	t.setState(s, askingLeader)
	q := t.leaders[s.line]
	if q == nil {
		q = &leaderQuestion{askedIn: t.handles}
		t.leaders[s.line] = q
		t.out.FindLeaders = append(t.out.FindLeaders, s.line)
	}
	if q.askedIn == t.handles {
		q.asked = append(q.asked, s)
	} else {
		q.late = append(q.late, s)
	}
}

// leadersFound goes on with the sessions that asked: a record stays while a session
// leader from before the death lives on its line.
func (t *Table) leadersFound(ev Leaders) {
	var asked []*entry
	for _, line := range sortedKeys(ev.Lines) {
		q := t.leaders[line]
		if q == nil {
			continue
		}
		delete(t.leaders, line)
		asked = append(asked, q.asked...)
		for _, s := range q.late {
			if s.state == askingLeader {
				t.findLeader(s)
			}
		}
	}
	slices.SortFunc(asked, byKey)
	t.out.Clean = slices.Grow(t.out.Clean, len(asked))
	for _, s := range asked {
		if s.state == askingLeader {
			t.judgeLeader(s, ev.Lines[s.line])
		}
	}
}

// judgeLeader goes on with a session by what was found on its line.
func (t *Table) judgeLeader(s *entry, leader Leader) {
	switch {
	case leader.Hidden:
		t.stayHidden(s)
	case leader.Found && leader.ID.SinceBoot() <= s.diedUp+clockTick && !t.ownsLine(leader.ID, s):
		t.follow(s, leader.ID)
	default:
		t.clean(s)
	}
}

// stayHidden has a session wait for as long as /proc hides the leader of its terminal,
// and reports that once.
func (t *Table) stayHidden(s *entry) {
	if !s.hidden {
		s.hidden = true
		t.reportLeft(s, "its terminal is still there, and /proc hides who leads it")
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

// follow has a session live by the leader of its line.
func (t *Table) follow(s *entry, leader session.ID) {
	t.reportLeft(s, fmt.Sprintf("its line still has a session leader, pid %d", leader.PID))
	t.unbind(s)
	t.leave(s)
	s.led, s.pid, s.id = true, leader.PID, leader
	s.end, s.exact, s.status, s.found, s.hidden = 0, false, session.Status{}, foundGone, false
	t.ask(s)
}
