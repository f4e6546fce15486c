// SPDX-License-Identifier: BSD-2-Clause

package session

import (
	"cmp"
	"slices"
	"time"
)

// Checkpoint is what a later run of the same boot wants to know: by which
// processes the sessions live, and which logouts wait for the wtmpx file.
type Checkpoint struct {
	Alive    time.Time // when all of this was known to be so
	Sessions []Entry   // those of one process follow one another
	Owed     []Debt
}

// Changes are what makes a later [Checkpoint] of one before it. Sessions are told apart by
// their slots.
type Changes struct {
	Alive    time.Time // when all of the later one was known to be so
	Gone     []int     // slots whose sessions are no longer in it
	Sessions []Entry   // new ones, and in place of those in their slots; those of one process follow one another
	Owed     []Debt    // all of them
}

// Apply makes of a checkpoint the one that the changes lead to, of which each follows the
// one before it. Its sessions are in the order of their processes, then of their slots.
func (c *Checkpoint) Apply(changes ...Changes) {
	if len(changes) == 0 {
		return
	}
	last := map[int]*Entry{} // by slot; nil: gone
	for _, ch := range changes {
		for _, slot := range ch.Gone {
			last[slot] = nil
		}
		for i := range ch.Sessions {
			last[ch.Sessions[i].Slot] = &ch.Sessions[i]
		}
		c.Alive, c.Owed = ch.Alive, ch.Owed
	}
	c.Sessions = slices.DeleteFunc(slices.Clone(c.Sessions), func(s Entry) bool {
		_, changed := last[s.Slot]
		return changed
	})
	for _, s := range last {
		if s != nil {
			c.Sessions = append(c.Sessions, *s)
		}
	}
	slices.SortFunc(c.Sessions, func(a, b Entry) int {
		return cmp.Or(a.ID.Compare(b.ID), cmp.Compare(a.Slot, b.Slot))
	})
}

// Entry is one session in a [Checkpoint].
type Entry struct {
	Slot   int
	Sum    [16]byte  // of the record's bytes; which sum is the table's choice
	ID     ID        // the process that the session lives by
	Led    bool      // that process is the session leader of the record's line, or shows its display
	Logind bool      // with Led: it leads logind's session on the display
	Held   bool      // with Led: its end proves nothing; End is when the session's own process ended
	Since  time.Time // the process was seen alive from then until Alive
	Alive  time.Time // zero: as long as all was known to be so
	End    time.Time // when it ended; zero while it lives
	Exact  bool      // End is when it died, not when it was found dead
	Status Status

	// What was seen of its line and its process while that lived. A file does not hold
	// it: a later run looks again.
	Sight *Sighting
	Fits  bool
}
