// SPDX-License-Identifier: BSD-2-Clause

package table

import "utmpd.dev/utmpd/internal/session"

// facts is all that is known of a session whose process has died. A new kind of evidence
// is a field of session.Evidence, which proc.Gather fills, a field here, which Table.facts
// fills, and a case in judge.
type facts struct {
	hidden  bool // who leads its terminal cannot be known
	leaders []leaderFacts
}

// leaderFacts is what is known of a process that leads the session's terminal.
type leaderFacts struct {
	id      session.ID
	earlier bool // it began before the session's process died
	others  bool // it is the process of another record of the line
}

// verdict is what follows from facts.
type verdict struct {
	what   outcome
	by     session.ID // of livesOn: the process by which the session lives on
	reason string     // why the record stays
}

type outcome uint8

const (
	dead    outcome = iota // nothing speaks for the session
	livesOn                // by another process than its record names
	unknown                // in doubt: the record stays, and is judged again later
)

// judge weighs the facts. It is pure. What proves that the session lives outranks what
// is unknown, and that outranks what is not there.
func judge(f facts) verdict {
	for _, l := range f.leaders {
		if l.earlier && !l.others {
			return verdict{livesOn, l.id, "its line still has a session leader"}
		}
	}
	if f.hidden {
		return verdict{what: unknown, reason: "its terminal is still there, and /proc hides who leads it"}
	}
	return verdict{what: dead}
}
