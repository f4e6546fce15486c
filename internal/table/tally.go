// SPDX-License-Identifier: BSD-2-Clause

package table

// Tally is a closer count of the sessions of the utmpx file than [Counts].
type Tally struct {
	Led  int          // they live by another process than their record's
	Left [reasons]int // their record stays, though nobody is known to live, by [Reason]
}

// Reason is why a record stays of which no process is known to live.
type Reason uint8

// The reasons.
const (
	Nameless Reason = iota // it names no process
	Display                // its process may only have written it, and nobody is known who shows the display
	Hidden                 // who leads its terminal, or has its number in a container, cannot be known
	Foreign                // a process of another user namespace kept it, whose end proves nothing
	DryRun                 // with -n nothing is cleaned

	reasons = iota
)

// String returns the reason as a label.
func (r Reason) String() string {
	return [...]string{"nameless", "display", "hidden", "foreign", "dry run"}[r]
}

// Tally looks at each session.
func (t *Table) Tally() Tally {
	var n Tally
	for s := range t.utmpx.each() {
		if s.ledAlive() {
			n.Led++
		}
		if why, ok := s.stays(); ok {
			n.Left[why]++
		}
	}
	return n
}

// stays reports why the record of a session stays, if it does and nobody is known by whom
// the session lives.
func (s *entry) stays() (Reason, bool) {
	switch {
	case (s.state == dying || s.state == gathering) && s.hidden:
		return Hidden, true
	case s.state != done:
		return 0, false
	case s.left && s.review:
		return Display, true
	case s.review:
		return Nameless, true
	case s.left && s.held != nil:
		return Foreign, true
	case s.left:
		return DryRun, true
	}
	return 0, false
}
