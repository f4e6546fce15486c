// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// earlier is what is known of sessions from before: from an earlier run, or of a file
// that is gone. The key is the sum of the record's bytes.
type earlier map[[16]byte]earlierSession

type earlierSession struct {
	session.Entry
	saved time.Time // when it was all true
}

// alive returns when the session was last known alive.
func (s earlierSession) alive() time.Time {
	if s.Alive.IsZero() {
		return s.saved
	}
	return s.Alive
}

// Checkpoint returns what a later run must know, and the table is no longer
// [Table.Dirty]. It leaves out sessions whose process was never identified. As long as
// no record was seen, it is what the earlier run knew.
func (t *Table) Checkpoint(now Moment) session.Checkpoint {
	t.dirty = false
	t.touched = touched{began: true, offset: offset(now), slots: t.touched.slots[:0]}
	c := session.Checkpoint{Alive: now.Wall, Owed: append(t.debts.all(), t.waits.all(now)...)}
	c.Sessions = make([]session.Entry, 0, t.counts.Sessions+len(t.earlier))
	for _, was := range t.earlier.sorted() { // then there are no others, and all are of one moment
		c.Alive = was.saved
		c.Sessions = append(c.Sessions, was.Entry)
	}
	for _, s := range t.identified() {
		c.Sessions = append(c.Sessions, s.checkpoint(now))
		t.touchMoving(s)
	}
	return c
}

// identified returns the sessions that a later run must know, in the order of their
// processes.
func (t *Table) identified() []*entry {
	all := make([]*entry, 0, t.counts.Sessions)
	for s := range t.utmpx.each() {
		if s.kept() {
			all = append(all, s)
		}
	}
	sortByProcess(all)
	return all
}

// kept reports whether a later run must know the session. Of one that is held and was never
// surely seen there is nothing to know.
func (s *entry) kept() bool {
	return s.id.PID != 0 && (s.held == nil || s.held.seen && s.held.alive != 0) && (s.state != done || s.left)
}

func sortByProcess(all []*entry) {
	slices.SortFunc(all, func(a, b *entry) int {
		if order := a.id.Compare(b.id); order != 0 {
			return order
		}
		return cmp.Compare(a.place, b.place)
	})
}

// knownFor returns for how long the process has been known to be alive, by the present
// moment. Of one that is watched no end has been reported so far.
func (s *entry) knownFor(now Moment) time.Duration {
	if s.state == watched {
		return now.Mono - s.since
	}
	return s.last - s.since
}

// checkpoint returns what a later run must know of a session.
func (s *entry) checkpoint(now Moment) session.Entry {
	if !s.summed {
		s.sum, s.summed = s.source.sum(s), true
	}
	e := session.Entry{
		Slot: int(s.place), Sum: s.sum, ID: s.id, Led: s.led, Sight: s.sight, Fits: s.fits, Logind: s.logind, Since: now.Wall.Add(-s.knownFor(now)),
	}
	if h := s.held; h != nil {
		e.Held, e.Logind, e.End, e.Exact, e.Status = true, false, h.end.time(), h.exact, h.status
		e.Alive = h.alive.time()
		e.Since = e.Alive
		if h.long || h.led {
			e.Since = e.Alive.Add(-displayAge)
		}
		return e
	}
	if s.state != watched && s.alive != 0 {
		e.Alive = s.aliveUntil()
		e.Since = e.Alive.Add(-s.knownFor(now))
	}
	if s.state == asking || s.state == watched || s.state == unwatchedNow {
		return e
	}
	e.End, e.Exact, e.Status = s.end.time(), s.exact, s.status
	if s.proc != nil && s.proc.status.Known {
		e.Status = s.proc.status
	}
	return e
}

// Restore gives the table the checkpoint of an earlier run of the same boot. It must
// come before the first [Scanned]. Each entry counts for the record with the same bytes
// and the process with the same identity only.
func (t *Table) Restore(c session.Checkpoint) {
	t.earlier = earlierOf(c)
	t.waits.storedAt = c.Alive
	for _, d := range c.Owed {
		if d.Of.Line != "" || d.By.PID > 0 {
			t.waits.stored = append(t.waits.stored, d)
		} else {
			t.debts.owed = append(t.debts.owed, d)
		}
	}
	if len(t.debts.owed) > 0 {
		t.log.fails(0)
	}
}

// keepForLater keeps what is known of all sessions for a file that holds their records
// again.
func (t *Table) keepForLater() {
	t.earlier = earlierOf(t.Checkpoint(t.now))
	t.dirty, t.touched.all = true, true
}

func earlierOf(c session.Checkpoint) earlier {
	m := make(earlier, len(c.Sessions))
	for _, s := range c.Sessions {
		m[s.Sum] = earlierSession{s, c.Alive}
	}
	return m
}

// restore gives a session just opened what was known of it before.
func (m earlier) restore(s *entry, raw string, now Moment) {
	if m == nil {
		return
	}
	s.sum, s.summed = sumOf(raw), true
	was, ok := m[s.sum]
	if !ok || !was.Led && was.ID.PID != s.pid {
		return
	}
	s.id, s.pid, s.led, s.logind = was.ID, was.ID.PID, was.Led, was.Logind
	s.sight, s.fits = was.Sight, was.Fits
	// The clock may have been set between the runs. Within one run its spans count.
	s.seen, s.sure, s.last = true, was.ID.Known(), now.Mono
	s.since = s.last - was.alive().Sub(was.Since)
	s.alive = wallOf(was.alive())
	if was.Held {
		s.held = &held{
			end: wallOf(was.End), alive: s.alive, status: was.Status, exact: was.Exact, seen: true,
			long: was.alive().Sub(was.Since) >= displayAge,
		}
		return
	}
	s.end, s.exact, s.status = wallOf(was.End), was.Exact, was.Status
}

// sorted returns all, in the order of their processes.
func (m earlier) sorted() []earlierSession {
	if len(m) == 0 {
		return nil
	}
	return slices.SortedFunc(maps.Values(m), func(a, b earlierSession) int {
		if order := a.ID.Compare(b.ID); order != 0 {
			return order
		}
		if a.Slot != b.Slot {
			return cmp.Compare(a.Slot, b.Slot)
		}
		return bytes.Compare(a.Sum[:], b.Sum[:])
	})
}
