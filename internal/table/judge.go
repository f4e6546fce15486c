// SPDX-License-Identifier: BSD-2-Clause

package table

import "utmpd.dev/utmpd/internal/session"

// facts is all that is known of a session whose process has died. A new kind of evidence
// is a field of session.Evidence, which proc.Gather fills, a field here, which Table.facts
// fills, and a case in judge.
type facts struct {
	hidden  bool // who leads its terminal cannot be known
	leaders []leaderFacts
	display displayFacts
}

// displayFacts is what is known of a session whose process may only have written the
// record.
type displayFacts struct {
	doubt   bool // it is such a session
	speaks  bool // a process speaks for it
	logind  bool // as the leader of logind's session
	by      session.ID
	unknown bool // there may be one that does
	led     bool // one did, and has ended
	login   bool // the record is an old one of a virtual terminal: a login's, as a rule
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
	logind bool       // of livesOn: that process leads logind's session
	reason string     // why the record stays
}

type outcome uint8

const (
	dead    outcome = iota // nothing speaks for the session
	livesOn                // by another process than its record names
	unknown                // in doubt: the record stays, and is judged again soon
	stays                  // in doubt: the record stays, and a periodic scan asks again
)

// judge weighs the facts. It is pure. What proves that the session lives outranks what
// is unknown, and that outranks what is not there.
func judge(f facts) verdict {
	for _, l := range f.leaders {
		if l.earlier && !l.others {
			return verdict{what: livesOn, by: l.id, reason: "its line still has a session leader"}
		}
	}
	switch {
	case f.display.speaks && f.display.logind:
		return verdict{what: livesOn, by: f.display.by, logind: true, reason: "logind's session on its display lives"}
	case f.display.speaks:
		return verdict{what: livesOn, by: f.display.by, reason: "the X server of its display lives"}
	}
	if f.hidden {
		return verdict{what: unknown, reason: "its terminal is still there, and /proc hides who leads it"}
	}
	return judgeDisplay(f.display)
}

// judgeDisplay weighs what is left: nobody was found who speaks for the session.
func judgeDisplay(d displayFacts) verdict {
	switch {
	case !d.doubt, d.led, d.login && !d.unknown:
		return verdict{what: dead}
	case d.unknown:
		return verdict{what: stays, reason: "who shows its display cannot be known"}
	}
	return verdict{what: stays, reason: "the process of a display's record was not seen alive for a minute"}
}
