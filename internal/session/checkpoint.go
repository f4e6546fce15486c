// SPDX-License-Identifier: BSD-2-Clause

package session

import "time"

// Checkpoint is what a later run of the same boot wants to know: by which
// processes the sessions live, and which logouts wait for the wtmpx file.
type Checkpoint struct {
	Alive    time.Time // when all of this was known to be so
	Sessions []Entry   // those of one process follow one another
	Owed     []Debt
}

// Entry is one session in a [Checkpoint].
type Entry struct {
	Slot   int
	Sum    [16]byte  // of the record's bytes; which sum is the table's choice
	ID     ID        // the process that the session lives by
	Led    bool      // that process is the session leader of the record's line, or shows its display
	Logind bool      // with Led: it leads logind's session on the display
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
