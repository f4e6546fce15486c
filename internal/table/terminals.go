// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// terminals are those of sessions that live by who leads them. Such a session ends with
// its terminal: the process may outlive it, and another one may get its number.
type terminals struct {
	followed map[uint64]*entry // by the Key of the Sight that keeps the terminal in view
	next     time.Duration     // not to be looked at before this moment
}

func (f *terminals) unfollow(term uint64) { delete(f.followed, term) }

// sawTerminal notes what was seen of the terminal itself.
func (t *Table) sawTerminal(s *entry, seen session.Sighting) {
	switch {
	case !seen.Held:
	case s.term == 0:
		s.term = seen.Key
	default:
		t.out.Release = append(t.out.Release, seen.Key)
	}
	if s.led {
		s.leads = s.leads || seen.Leads
		t.followTerminal(s)
	}
}

// followTerminal has the terminal of a session looked at in each scan, if the session
// lives by who leads it and the terminal is kept in view.
func (t *Table) followTerminal(s *entry) {
	if s.term == 0 {
		return
	}
	if s.led && s.leads {
		t.terminals.followed[s.term] = s
	} else {
		t.terminals.unfollow(s.term)
	}
}

// release lets go of the terminal of a session.
func (t *Table) release(s *entry) {
	if s.term == 0 {
		return
	}
	t.terminals.unfollow(s.term)
	t.out.Release = append(t.out.Release, s.term)
	s.term = 0
}

// checkTerminals has the terminals looked at after a scan, but not more often than once a
// second, however often the file changes.
func (t *Table) checkTerminals(periodic bool) {
	f := &t.terminals
	if len(f.followed) == 0 || !periodic && t.now.Mono < f.next {
		return
	}
	f.next = t.now.Mono + recheckGap
	t.out.Check = sortedKeys(f.followed)
}

// checked ends the sessions whose terminals are gone. The others lived until now.
func (t *Table) checked(ev Checked) {
	for _, key := range ev.Terminals {
		s := t.terminals.followed[key]
		if s == nil || s.state != watched && s.state != unwatchedNow && s.state != asking {
			continue
		}
		if slices.Contains(ev.Gone, key) {
			t.foundDead(s, foundHungUp)
			continue
		}
		s.aliveAt(t.now.Mono, t.now.Wall)
		t.touched.add(s)
	}
}
