// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"iter"
	"time"
)

// wallTime is a time of the wall clock in microseconds since 1970, as records
// have it, 0 for none: a third of a time.Time.
type wallTime int64

func wallOf(t time.Time) wallTime {
	if t.IsZero() {
		return 0
	}
	return wallTime(t.UnixMicro())
}

// time returns the zero time for none.
func (w wallTime) time() time.Time {
	if w == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(w))
}

// at returns the session in a slot, nil if there is none.
func (t *Table) at(slot int) *entry {
	if slot >= len(t.sessions) {
		return nil
	}
	return t.sessions[slot]
}

// place puts a session in its slot.
func (t *Table) place(s *entry) {
	if n := int(s.slot) + 1 - len(t.sessions); n > 0 {
		t.sessions = append(t.sessions, make([]*entry, n)...)
	}
	t.sessions[s.slot] = s
}

// clear empties the session's slot, unless another has come there.
func (t *Table) clear(s *entry) {
	if t.at(int(s.slot)) != s {
		return
	}
	t.sessions[s.slot] = nil
	n := len(t.sessions)
	for n > 0 && t.sessions[n-1] == nil {
		n--
	}
	t.sessions = t.sessions[:n]
}

// each yields every session, in the order of the slots.
func (t *Table) each() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, s := range t.sessions {
			if s != nil && !yield(s) {
				return
			}
		}
	}
}
