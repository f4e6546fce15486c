// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// lookAgainAfter is when the line of a record is looked at once more: sshd writes the
// record before the shell leads the terminal.
const lookAgainAfter = time.Second

// sights are the looks at the lines of records whose process lives.
type sights struct {
	asked map[uint64]*entry // by their keys
	most  int               // how many it has held: a map does not shrink
	again []lookAgain       // in the order of their time
}

type lookAgain struct {
	due time.Duration
	s   *entry
}

func newSights() sights { return sights{asked: map[uint64]*entry{}} }

// look has the line of a session looked at, and once more a second later.
func (t *Table) look(s *entry) {
	if s.sight != nil || s.alone || !maybeTerminal(s.line) {
		return
	}
	s.sight = &s.seenOn
	t.askSight(s)
	if s.led {
		return
	}
	t.sights.again = append(t.sights.again, lookAgain{t.now.Mono + lookAgainAfter, s})
}

func (t *Table) askSight(s *entry) {
	t.sights.asked[s.key] = s
	t.sights.most = max(t.sights.most, len(t.sights.asked))
	t.out.Look = append(t.out.Look, session.Sight{
		Key: s.key, Line: s.line, ID: s.process(), Led: s.led, Hold: s.term == 0 && session.PseudoTerminal(s.line),
	})
}

// process returns what is known of the process by which a session lives.
func (s *entry) process() session.ID {
	if s.id.PID != s.pid {
		return session.ID{PID: s.pid}
	}
	return s.id
}

// lookAgain has those lines looked at again whose time has come.
func (t *Table) lookAgain() {
	n := 0
	for ; n < len(t.sights.again) && t.sights.again[n].due <= t.now.Mono; n++ {
		s := t.sights.again[n].s
		if !s.led && (s.state == watched || s.state == unwatchedNow || s.state == asking) {
			t.askSight(s)
		}
	}
	t.askNumbers(t.sights.again[:n])
	if t.sights.again = t.sights.again[n:]; len(t.sights.again) == 0 {
		t.sights.again = nil
	}
}

// next returns when the first of the lines wants to be looked at again.
func (s *sights) next() (due time.Duration, ok bool) {
	if len(s.again) == 0 {
		return 0, false
	}
	return s.again[0].due, true
}

// looked notes what was seen. What was seen before and is no longer there stays noted.
func (t *Table) looked(ev Looked) {
	for _, seen := range ev.Sightings {
		s := t.sights.asked[seen.Key]
		if s == nil { // closed meanwhile
			if seen.Held {
				t.out.Release = append(t.out.Release, seen.Key)
			}
			continue
		}
		delete(t.sights.asked, seen.Key)
		t.sawTerminal(s, seen)
		if seen.Leader.PID != 0 {
			s.sight.Leader = seen.Leader
		}
		if seen.Outer.PID != 0 {
			s.sight.Outer = seen.Outer
			t.sawOuter(s)
		}
		if !s.sight.Owner.Known {
			s.sight.Owner = seen.Owner
		}
	}
	t.sights.shrink()
}

// manySights is how many looks at once are no longer usual.
const manySights = 64

// shrink gives back what a burst took, once all of it is answered.
func (s *sights) shrink() {
	if len(s.asked) == 0 && s.most > manySights {
		s.asked, s.most = map[uint64]*entry{}, 0
	}
}

// sawOuter notes that the process under the pid of a session stands below who leads its
// line.
func (t *Table) sawOuter(s *entry) {
	if g := t.processes.byPID[s.pid]; g != nil {
		g.outer = true
		g.markTwins(s)
	}
}

// markTwins marks the sessions that name the pid and the line of s, and s with them. The
// process is that of one of them at most; the others had one with the same pid before.
// So what it was seen below tells nothing of them. One that has lost its record may be the
// same session, as when a program marks its record and writes it again.
func (g *group) markTwins(s *entry) {
	for o := g.first; o != nil; o = o.next {
		if o != s && o.line == s.line && o.source == s.source {
			o.twin, s.twin = true, true
		}
	}
}
