// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// touched are the slots in which something may have changed that a later run must know,
// since a checkpoint or the changes to one were taken. So what is saved costs what
// changed, not what the table holds.
type touched struct {
	slots  []int32 // some more than once
	began  bool    // there is a checkpoint to which there may be changes
	all    bool    // too much has changed to tell
	offset time.Duration
}

// touchedMost is how many touched slots are noted, whatever the table holds: beyond a
// quarter of its sessions, a checkpoint costs no more than the changes.
const touchedMost = 1 << 10

// offsetSlack is by how much two readings of both clocks may differ: they are not read at
// one moment.
const offsetSlack = 10 * time.Millisecond

// offset tells whether the wall clock was set, or the machine slept, between two moments:
// then the times of all sessions read differently.
func offset(now Moment) time.Duration {
	return time.Duration(now.Wall.UnixNano()) - now.Mono
}

// touch notes that a session has changed, and that this is to be saved.
func (t *Table) touch(s *entry) {
	t.dirty = true
	t.touched.add(s)
}

// add notes that a session has changed, for when the next change is saved.
func (c *touched) add(s *entry) {
	u, ok := s.source.(*utmpxSource)
	switch {
	case !ok || c.all: // of others all is saved each time
	case len(c.slots) >= touchedMost && len(c.slots) >= len(u.sessions)/4:
		c.all, c.slots = true, nil
	default:
		c.slots = append(c.slots, s.place)
	}
}

// touchBound touches the sessions that are bound to a process.
func (t *Table) touchBound(p *process) {
	g := t.processes.byPID[p.pid]
	if g == nil {
		return
	}
	for s := g.first; s != nil; s = s.next {
		if s.proc == p {
			t.touch(s)
		}
	}
}

// touchMoving touches a session whose entry tells how long it had lived by the moment of
// the checkpoint, and so is another one at each.
func (t *Table) touchMoving(s *entry) {
	if s.state != watched && s.alive == 0 {
		t.touched.add(s)
	}
}

// Changes returns what has changed since the last [Table.Checkpoint] or Changes, and the
// table is no longer [Table.Dirty]. ok is false, and nothing is taken, if only a
// checkpoint can tell.
func (t *Table) Changes(now Moment) (c session.Changes, ok bool) {
	moved := offset(now) - t.touched.offset
	if !t.touched.began || t.touched.all || len(t.earlier) > 0 || moved.Abs() > offsetSlack {
		return c, false
	}
	t.dirty = false
	slots := t.touched.slots
	slices.Sort(slots)
	slots = slices.Compact(slots)
	t.touched.slots = make([]int32, 0, min(2*len(slots), 64))
	c.Alive, c.Owed = now.Wall, append(t.debts.all(), t.waits.all(now)...)
	var kept []*entry
	for _, slot := range slots {
		if s := t.utmpx.at(int(slot)); s != nil && s.kept() {
			kept = append(kept, s)
		} else {
			c.Gone = append(c.Gone, int(slot))
		}
	}
	sortByProcess(kept)
	for _, s := range kept {
		c.Sessions = append(c.Sessions, s.checkpoint(now))
		t.touchMoving(s)
	}
	return c, true
}
