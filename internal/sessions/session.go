// SPDX-License-Identifier: BSD-2-Clause

// Package sessions pairs the logins of a wtmpx log with their ends. It is the one
// definition of what a session is and of how exactly its end is known. [Backward] takes the
// records newest first, [Forward] oldest first; both find the same sessions. It does no I/O
// and reads no clock.
package sessions

import (
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/utmpx"
)

// Ending is how a session ended.
type Ending string

// The endings.
const (
	Logout   Ending = "logout"   // its program recorded the end
	Killed   Ending = "killed"   // its program recorded the signal that ended it
	Utmpd    Ending = "utmpd"    // its process ended without a logout; utmpd recorded that
	Replaced Ending = "replaced" // no logout: the line was given to another session, or to a getty
	Shutdown Ending = "shutdown"
	Crash    Ending = "crash"
	Unknown  Ending = "unknown" // the record of its end may be in a damaged part of the log
	Gone     Ending = "gone"    // no logout, and no utmpx record now
	StillOn  Ending = "still-on"
	Open     Ending = "open" // the log ends before the session does
)

// Endings returns all endings.
func Endings() []Ending {
	return []Ending{Logout, Killed, Utmpd, Replaced, Shutdown, Crash, Unknown, Gone, StillOn, Open}
}

// Session is one session: a login and its end.
type Session struct {
	Login utmpx.Record // without a login: its line, and what the logout tells
	From  time.Time    // of the login; zero if the log lacks it

	End Ending
	To  time.Time // of the end's record; zero if there is none
	// Exact: the session ended at To. Else it ended between Least and Most. A zero Most is
	// no limit: the log does not tell, or the clock was set.
	Exact       bool
	Least, Most time.Time

	Exit utmpx.Exit   // of a logout
	By   boots.Source // of a crash: where its time is from; empty if unknown

	// Stepped is by how much the clock was set forward between From and To, as records
	// say; Jumped says that it was also set by an unknown step.
	Stepped time.Duration
	Jumped  bool
}

// Ended reports whether the session has surely ended.
func (s *Session) Ended() bool { return s.End != StillOn && s.End != Open }

// Lasted returns bounds for how long the session lasted. They are equal if that is known
// exactly. most is negative if there is no upper bound; ok is false if the clocks
// contradict each other, or the login is not known. now is the end of a session that is
// still on.
func (s *Session) Lasted(now time.Time) (least, most time.Duration, ok bool) {
	switch {
	case s.From.IsZero() || s.Jumped:
		return 0, -1, false
	case s.End == StillOn:
		d := now.Sub(s.From) - s.Stepped
		return d, d, d >= 0
	case s.Exact:
		d := s.To.Sub(s.From) - s.Stepped
		return d, d, d >= 0
	}
	least = max(0, s.Least.Sub(s.From)-s.Stepped)
	if s.Most.IsZero() {
		return least, -1, true
	}
	if most = s.Most.Sub(s.From) - s.Stepped; most < least {
		return 0, -1, false
	}
	return least, most, true
}

// Presence is whether somebody was on at a moment.
type Presence int

// The answers of [Session.At].
const (
	Off Presence = iota
	Maybe
	On
)

// At tells whether the session was on at a moment.
func (s *Session) At(t time.Time) Presence { return s.Within(t, t) }

// Within tells whether the session was on at any moment from since to until, both
// included. A zero time is no limit.
func (s *Session) Within(since, until time.Time) Presence {
	from, least, most := s.span()
	switch {
	case !until.IsZero() && from.After(until):
		return Off
	case s.Ended() && !most.IsZero() && !most.After(since) && since.After(from):
		return Off
	case s.doubtful() || s.From.IsZero():
		return Maybe
	case !from.Before(since), s.End == StillOn, least.After(since), s.End == Open && !since.After(least):
		return On
	}
	return Maybe
}

// doubtful reports whether the clock was set during the session.
func (s *Session) doubtful() bool { return s.Jumped || s.Stepped != 0 || s.backward() }

// backward reports whether the session ended before it began, by its records.
func (s *Session) backward() bool { return !s.To.IsZero() && s.To.Before(s.From) }

// span returns when the session began, and between what it ended. If the clock was set,
// the times of both clocks are within it.
func (s *Session) span() (from, least, most time.Time) {
	from, least, most = s.From, s.Least, s.Most
	if s.Exact {
		least, most = s.To, s.To
	}
	if s.backward() {
		from = s.To
	}
	if s.doubtful() && !most.IsZero() && most.Before(s.From) {
		most = s.From
	}
	return from, least, most
}

// Amend makes the end of a crash exact, or more exact, by what a ledger of boots knows,
// oldest first. It changes only ends that the log does not record.
func (s *Session) Amend(ledger []boots.Past) {
	if s.End != Crash || s.By != boots.FromRecords || !s.To.Equal(s.Least) {
		return
	}
	const slack = 2 * time.Second
	for _, p := range ledger {
		began := p.Began()
		switch {
		case p.To.IsZero() || p.To.Before(s.Least.Add(-slack)), !s.Most.IsZero() && p.To.After(s.Most):
			continue
		case began.IsZero() || began.After(s.Least.Add(slack)):
			continue // it is a boot after the session's
		}
		switch p.End {
		case boots.Open:
			return
		case boots.ShutDown:
			s.End = Shutdown
		}
		s.By = p.By
		if s.By == "" {
			s.By = boots.FromLedger
		}
		s.crashed(p.To, p.Exact)
		return
	}
}

// Differs returns the boot of the ledger during which s was on, if its end is another one
// than the end of the system that ended s in the log.
func (s *Session) Differs(ledger []boots.Past) (boots.Past, bool) {
	b := boots.Boot{EndRecorded: true, To: s.To}
	switch {
	case s.From.IsZero() || s.To.IsZero() || s.Stepped != 0 || s.Jumped:
		return boots.Past{}, false // its boot is not known by these times
	case s.End == Shutdown:
		b.End, b.Exact = boots.ShutDown, boots.Exactness{Known: true}
	case s.End == Crash && s.By != boots.FromRecords && !s.Most.IsZero():
		b.End, b.Exact = boots.Crashed, boots.Exactness{Known: true, Within: s.Most.Sub(s.Least)}
	default:
		return boots.Past{}, false
	}
	const slack = 2 * time.Second
	for _, p := range slices.Backward(ledger) {
		if began := p.Began(); !began.IsZero() && !began.After(s.From.Add(slack)) {
			return p, !p.To.Before(s.From) && b.Contradicts(p)
		}
	}
	return boots.Past{}, false
}

// crashed sets the end to one between at and e.Within later.
func (s *Session) crashed(at time.Time, e boots.Exactness) {
	s.To, s.Least = at, at
	if at.Before(s.From) {
		s.Least = s.From
	}
	if s.Exact = e.Known && e.Within == 0; e.Known {
		s.Most = at.Add(e.Within)
	}
}
