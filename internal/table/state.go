// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// Counts are how many sessions stand where.
type Counts struct {
	Sessions  int // USER_PROCESS records
	Asking    int // of these, whose process has been asked about
	Watched   int // whose process is watched
	Unwatched int // whose process lives and is not watched
	Dying     int // whose process is dead, and which wait to be cleaned
	Owed      int // logouts that wait for the wtmpx file
	Cleaned   int // cleaned since the start
}

// Counts returns the present counts.
func (t *Table) Counts() Counts {
	c := t.counts
	c.Owed = len(t.owed)
	return c
}

// State returns what is to be saved, and the table is no longer [Table.Dirty].
// It leaves out sessions whose process was never identified. As long as no record
// was seen, it is what the run before it knew.
func (t *Table) State(now Moment) session.Checkpoint {
	t.dirty = false
	st := session.Checkpoint{Alive: now.Wall, Owed: slices.Clone(t.owed)}
	for _, p := range t.promised {
		st.Owed = append(st.Owed, p.owed)
	}
	st.Sessions = make([]session.Entry, 0, t.counts.Sessions+len(t.restored))
	for _, was := range t.restored { // then there are no others, and all are of one moment
		st.Alive = was.alive
		st.Sessions = append(st.Sessions, was.Entry)
	}
	for s := range t.each() {
		if s.id.PID == 0 || s.state == done && !s.left {
			continue
		}
		if !s.summed {
			s.sum, s.summed = sumOf(t.snap.Raw(int(s.slot))), true
		}
		if s.state == watched {
			s.last = now.Mono
		}
		ss := session.Entry{Slot: int(s.slot), Sum: s.sum, ID: s.id, Led: s.led, Since: now.Wall.Add(s.since - s.last)}
		if s.state != asking && s.state != watched && s.state != unwatched {
			ss.End, ss.Exact, ss.Status = s.end.time(), s.exact, s.status
			if s.proc != nil && s.proc.status.Known {
				ss.Status = s.proc.status
			}
		}
		st.Sessions = append(st.Sessions, ss)
	}
	return st
}

// restored is a session of an earlier run.
type restored struct {
	session.Entry
	alive time.Time
}

// Restore gives the table the state of an earlier run of the same boot. It must
// come before the first [Scanned]. Each entry counts for the record of the same
// bytes, and the process of the same identity, or for nothing.
func (t *Table) Restore(st session.Checkpoint) {
	t.recall(st)
	t.owed = append(t.owed, st.Owed...)
	if len(t.owed) > 0 {
		t.logFailing = 0
	}
}

func (t *Table) recall(st session.Checkpoint) {
	t.restored = make(map[[16]byte]restored, len(st.Sessions))
	for _, s := range st.Sessions {
		t.restored[s.Sum] = restored{s, st.Alive}
	}
}

// remember keeps what is known of all sessions for a file that holds records
// again, as for a later run.
func (t *Table) remember() {
	t.recall(t.State(t.now))
	t.dirty = true
}

// restore gives a session just found what an earlier run knew of it.
func (t *Table) restore(s *entry, r utmpx.Record) {
	if t.restored == nil {
		return
	}
	s.sum, s.summed = sumOf(r.Raw()), true
	was, ok := t.restored[s.sum]
	if !ok || !was.Led && was.ID.PID != r.PID {
		return
	}
	s.id, s.pid, s.led = was.ID, was.ID.PID, was.Led
	// The clock may have been stepped between the runs; within one it counts.
	s.seen, s.last = true, t.now.Mono
	s.since = s.last - was.alive.Sub(was.Since)
	s.alive, s.end, s.exact, s.status = wallOf(was.alive), wallOf(was.End), was.Exact, was.Status
}
