// SPDX-License-Identifier: BSD-2-Clause

package table

import "utmpd.dev/utmpd/internal/session"

// facts is all that is known of a session whose process has died. A new kind of evidence
// is a field of session.Evidence, which proc.Gather fills, a field here, which Table.facts
// fills, and a case in judge.
type facts struct {
	gone      bool          // its terminal, as it was at first sight, is gone
	unsure    string        // why it cannot be known whether its terminal exists
	hidden    bool          // who leads its terminal cannot be known
	blind     bool          // who has its ut_pid in another pid namespace cannot be known
	seen      bool          // the process of its record was seen alive
	user      session.Owner // of the record
	owner     session.Owner // of the terminal, when it was first looked at
	anyone    bool          // whoever leads the terminal keeps the session
	leaders   []candidate   // of the terminal
	namesakes []candidate   // those whose number in another pid namespace is ut_pid
	display   displayFacts
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
	login   bool // the record is a login's on a virtual terminal, as far as can be told
}

// candidate is what is known of a process by which the session may live on.
type candidate struct {
	session.Candidate
	earlier bool       // it began before the session's process died
	own     session.ID // of a leader: it, or one above it, was seen below the session's process, and is this
	outer   bool       // of a leader: it was seen above the session's process, as the shell is that login(1) was typed in
	others  bool       // of a leader: it belongs to another record of the line
}

// verdict is what follows from facts.
type verdict struct {
	what   outcome
	by     session.ID // of livesOn and heldBy: the process by which the session lives on
	leads  bool       // of livesOn: that process leads the terminal of the session
	logind bool       // of livesOn: that process leads logind's session
	reason string     // why the record stays
}

type outcome uint8

const (
	dead    outcome = iota // nothing speaks for the session
	livesOn                // by another process than its record names
	heldBy                 // by a process whose end will prove nothing
	unknown                // in doubt: the record stays, and is judged again soon
	stays                  // in doubt: the record stays, and a periodic scan asks again
)

// judge weighs the facts. It is pure. What shows that the session lives outranks what is
// unknown, and that outranks what is not there.
func judge(f facts) verdict {
	if by, elsewhere, ok := f.leader(); ok {
		return verdict{what: livesOn, by: by, leads: !elsewhere, reason: "its line still has a session leader"}
	}
	if by, ok := f.namesake(false); ok {
		return verdict{what: livesOn, by: by, reason: "a process of another pid namespace has its number"}
	}
	switch {
	case f.display.speaks && f.display.logind:
		return verdict{what: livesOn, by: f.display.by, logind: true, reason: "logind's session on its display lives"}
	case f.display.speaks:
		return verdict{what: livesOn, by: f.display.by, reason: "the X server of its display lives"}
	}
	if by, ok := f.namesake(true); ok {
		return verdict{what: heldBy, by: by, reason: "a process of another user namespace has its number"}
	}
	switch {
	case f.unsure != "":
		return verdict{what: unknown, reason: "its terminal cannot be looked up: " + f.unsure}
	case f.hidden && !f.gone:
		return verdict{what: unknown, reason: "its terminal is still there, and /proc hides who leads it"}
	case f.blind && !f.seen:
		return verdict{what: unknown, reason: "its process was never seen, and /proc hides those of other pid namespaces"}
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

// leader returns the leader of the terminal by which the session lives on. One that was
// seen below the session's process while that lived is its own, whoever's it is now, and
// in whatever devpts. Once the terminal is gone, whoever leads one with its number here
// leads another.
func (f facts) leader() (by session.ID, elsewhere, ok bool) {
	for _, l := range f.leaders {
		switch {
		case !l.earlier || f.gone && !l.Elsewhere:
		case l.own.PID != 0:
			return l.own, l.Elsewhere, true
		case l.outer || l.others || l.Elsewhere || l.Foreign:
		case f.mayKeep(l.UID):
			return l.ID, false, true
		}
	}
	return session.ID{}, false, false
}

// namesake returns the process of another pid namespace by which the session lives on. In
// a user namespace an ordinary user can give his processes any number.
func (f facts) namesake(foreign bool) (session.ID, bool) {
	for _, n := range f.namesakes {
		if n.earlier && n.Foreign == foreign && f.mayKeep(n.UID) {
			return n.ID, true
		}
	}
	return session.ID{}, false
}

// mayKeep reports whether a process of that user may keep the record: root's, the
// record's user's or that of the terminal's owner. If the user's name is not known here
// it may be anybody's.
func (f facts) mayKeep(uid uint32) bool {
	return f.anyone || session.MayKeep(uid, f.user, f.owner)
}
