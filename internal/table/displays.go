// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// displayAge is how long the process of a display's record must have been seen
// alive before its death counts: the processes that call sessreg end at once while
// the session lives. The same holds for a virtual terminal.
const displayAge = time.Minute

// display returns the display that the line of a record names. ok is false if it is
// neither a display nor a virtual terminal.
func (s *entry) display() (d session.Display, ok bool) {
	if !session.MayBeDisplay(s.line) { // as nearly all: without a look at the record
		return session.ParseVT(s.line)
	}
	return session.ParseDisplay(s.line, s.record().PID)
}

// needsWitness reports whether the death of a session's process is no proof that the
// session has ended: that process may only have written the record, or was a witness
// that may not be the only one.
func (t *Table) needsWitness(s *entry, d session.Display) bool {
	led, long := s.led, s.seenFor(displayAge)
	if h := s.held; h != nil { // who holds it shows nothing
		led, long = h.led, h.long
	}
	switch {
	case led:
		return true
	case long:
		return false
	}
	return d.VT == 0 || t.set.KeepBusyLines
}

// displayFacts puts together what is known of a session on a display.
func (t *Table) displayFacts(s *entry, w session.Witness) displayFacts {
	d, shown := s.display()
	if !shown || s.alone || !t.needsWitness(s, d) {
		return displayFacts{}
	}
	return displayFacts{
		doubt:   s.found != foundOlder || w.Unknown, // of what is older than the boot somebody would be seen
		speaks:  w.Found && (w.Logind || !s.logind) && w.ID.SinceBoot() <= s.diedUp+clockTick,
		logind:  w.Logind,
		by:      w.ID,
		unknown: w.Unknown,
		led:     s.led && (s.held == nil || s.held.led),
		login:   d.VT != 0 && (s.ledLine() || !s.endedAtOnce()),
	}
}

// endedAtOnce reports whether the process of a record ended within a minute, as far as
// can be told, so that it may only have written the record.
func (s *entry) endedAtOnce() bool {
	return s.seen || s.login.Sec == 0 || s.end.time().Sub(s.login.Time()) < displayAge
}

// ledLine reports whether the process of a record, or one below it, was seen to lead the
// line: it is a login's, and not of a program that wrote the record for others.
func (s *entry) ledLine() bool { return s.sight != nil && s.sight.Leader.PID != 0 }

// onVT reports whether a session is a login's on a virtual terminal, as far as was seen.
func (s *entry) onVT() bool {
	_, vt := session.ParseVT(s.line)
	return vt && s.ledLine()
}

// ledAlive reports whether a session lives by another process than its record's.
func (s *entry) ledAlive() bool { return s.led && (s.state == watched || s.state == unwatchedNow) }

// judgeLogind looks whether the session by whose leader one lives is still logind's.
func (t *Table) judgeLogind(s *entry, w session.Witness) {
	switch {
	case w.Logind && w.ID.Same(s.id):
		s.logind = true
		s.aliveAt(t.now.Mono, t.now.Wall)
		t.touched.add(s)
	case s.logind && !w.Logind && !w.Unknown:
		t.foundDead(s, foundNoSession)
	}
}

// leaveDisplay leaves a display's record alone until somebody is found who shows it.
func (t *Table) leaveDisplay(s *entry, reason string) {
	s.left, s.review = true, true
	t.leaveAlone(s, false)
	t.reportLeft(s, reason)
}

// reviewDisplay asks again about a display's record that was left alone, or whose
// session lives by a witness.
func (t *Table) reviewDisplay(s *entry) {
	if s.state != done && !s.ledAlive() {
		return
	}
	if d, ok := s.display(); ok && (s.review || s.logind || d.VT == 0) {
		t.review(s, session.Question{User: s.user, Shown: true, Display: d})
	}
}
