// SPDX-License-Identifier: BSD-2-Clause

package sessions

import (
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// meaning is what a record means for sessions.
type meaning int

const (
	other    meaning = iota // the system was up
	nothing                 // init writes it before the record of the boot, too
	login                   // a session begins
	logout                  // the session of its line ends
	vacant                  // a getty has the line: its session has ended
	lineless                // the end of a process, without a line
	boot                    // the system was booted
	ended                   // the system goes down, or has gone down
	oldClock
	newClock
)

func meaningOf(r *utmpx.Record) meaning {
	if r.Line != "" && r.Line[0] != '~' {
		switch r.Type {
		case utmpx.UserProcess:
			if r.User != "" {
				return login
			}
			return logout
		case utmpx.DeadProcess:
			return logout
		case utmpx.InitProcess, utmpx.LoginProcess:
			return vacant
		}
	}
	return ofSystem(r)
}

// ofSystem returns what a record means that is of no line.
func ofSystem(r *utmpx.Record) meaning {
	kind := boots.KindOf(*r)
	switch kind {
	case boots.Began, boots.BeganEarlier:
		return boot
	case boots.Ended:
		return ended
	case boots.OldClock:
		return oldClock
	case boots.NewClock:
		return newClock
	}
	switch {
	case r.Type == utmpx.DeadProcess && r.Line == "" && r.PID > 0 && r.ID != "":
		return lineless
	case kind == boots.Init || r.Type == utmpx.RunLevel || r.Type == utmpx.Empty:
		return nothing
	}
	return other
}

// alive reports whether such a record shows that the system was up.
func (m meaning) alive() bool { return m != nothing && m != lineless && m != boot && m != ended }

// end is what ends a session, at its place in the log.
type end struct {
	by     Ending
	at     utmpx.Time
	pid    int32
	exit   utmpx.Exit
	within time.Duration // of Utmpd: the session ended up to that much earlier
	sure   bool          // the session ended at the time of the record
	system *systemEnd    // of a crash
	seq    int           // the number of its record in the reading
	place  place
	user   name // of by Replaced by a login
}

// systemEnd is what more is known of a crash.
type systemEnd struct {
	exact  boots.Exactness // if it is recorded
	source boots.Source
	booted bool       // it is the record of a boot, before which no end is recorded
	life   utmpx.Time // of booted: the last sign of life before it; zero: none
}

// place is what was read until a record.
type place struct {
	stepped time.Duration // the sum of the steps of the clock
	jumps   int           // steps of unknown size
	holes   int           // damaged parts
}

// to returns what lies between two places; the other one was read later.
func (p place) to(later place) place {
	return place{later.stepped - p.stepped, later.jumps - p.jumps, later.holes - p.holes}
}

// name is the first 32 bytes of a user's name, without memory of its own. It ends at the
// first NUL; so do those that it is set to and compared with, which may be a whole field: to
// look for the end of each name in a million records takes longer than to copy all of it.
type name [32]byte

func (n *name) set(user string) {
	if len(user) >= len(n) {
		*n = name([]byte(user[:len(n)]))
		return
	}
	*n = name{}
	copy(n[:], user)
}

func (n *name) is(user string) bool {
	return untilNUL(string(n[:])) == untilNUL(user[:min(len(user), len(n))])
}

func untilNUL(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}

// logout makes e the end that a logout's record tells.
func (e *end) logout(typ utmpx.Type, at utmpx.Time, pid int32, exit utmpx.Exit, host string) {
	e.by, e.at, e.pid, e.exit, e.within, e.sure = Logout, at, pid, exit, 0, true
	e.user[0] = 0
	if typ != utmpx.DeadProcess {
		return
	}
	if exit.Termination != 0 {
		e.by = Killed
	}
	if host != "" {
		if within, ours := session.ParseMarkOf(host); ours {
			e.by, e.within, e.sure = Utmpd, within, within == 0
		}
	}
}

// logoutOf returns the end that a logout's record tells.
func logoutOf(r *utmpx.Record) (e end) {
	e.logout(r.Type, r.Time, r.PID, r.Exit, r.Host)
	return e
}

// replaced makes e the end of a session that the next record of its line shows. user is
// that of a login.
func (e *end) replaced(at utmpx.Time, pid int32, user string) {
	e.by, e.at, e.pid, e.exit, e.within, e.sure = Replaced, at, pid, utmpx.Exit{}, 0, false
	e.user.set(user)
}

// nextOf returns the end of a session that the next record of its line shows. user is that
// of a login.
func nextOf(r *utmpx.Record, user string) (e end) {
	e.replaced(r.Time, r.PID, user)
	return e
}

// systemOf returns the end of all sessions that a record of the system tells.
func systemOf(r *utmpx.Record, what meaning) end {
	if what == boot {
		return end{by: Crash, at: r.Time, system: &systemEnd{source: boots.FromRecords, booted: true}}
	}
	if exact, by, ok := boots.ParseCrash(*r); ok {
		by = boots.Source(strings.Clone(string(by))) // the record is overwritten
		return end{by: Crash, at: r.Time, system: &systemEnd{exact: exact, source: by}}
	}
	return end{by: Shutdown, at: r.Time, sure: true}
}

// again is how far apart the records of one login may be.
const again = 2 * time.Second

// repeats reports whether a login and the next record of its line are one login that was
// recorded twice, as by a program and by PAM.
func (e *end) repeats(at utmpx.Time, pid int32, user string, between place) bool {
	return e.by == Replaced && e.pid == pid && between.holes == 0 && e.user[0] != 0 &&
		e.at.Time().Sub(at.Time()).Abs() <= again && e.user.is(user)
}

// owns reports whether a logout is surely that of a login, though records between them are
// missing.
func (e *end) owns(r *utmpx.Record) bool {
	switch e.by {
	case Logout, Killed, Utmpd:
		return e.pid == r.PID && e.pid > 0
	}
	return false
}

// finish makes s the session of its login with that end, which is nil if there is none.
func finish(s *Session, e *end, between place) {
	r := &s.Login
	s.From, s.End, s.To, s.Exact, s.Least, s.Most = r.Time.Time(), Open, time.Time{}, false, time.Time{}, time.Time{}
	s.Exit, s.By, s.Stepped, s.Jumped = utmpx.Exit{}, "", between.stepped, between.jumps > 0
	if e == nil {
		if between.holes > 0 {
			s.End, s.Least = Unknown, s.From
		}
		return
	}
	s.End, s.To, s.Least = e.by, e.at.Time(), s.From
	switch {
	case between.holes > 0 && !e.owns(r):
		s.End, s.Most = Unknown, s.To
		if s.To.Before(s.From) && between.stepped == 0 && between.jumps == 0 {
			s.To = s.From // the clock was set in the hole: that record's time is no bound
		}
	case e.system != nil && e.system.booted:
		s.By, s.Most = e.system.source, s.To
		if s.To = e.system.life.Time(); e.system.life == (utmpx.Time{}) || s.To.Before(s.From) {
			s.To = s.From
		}
		s.Least = s.To
	case e.by == Crash:
		s.By = e.system.source
		s.crashed(s.To, e.system.exact)
	case e.by == Replaced:
		s.Most = s.To
	case e.within > 0:
		s.Exit, s.Most = e.exit, s.To
		if least := s.To.Add(-e.within); least.After(s.From) {
			s.Least = least
		}
	default:
		s.Exit, s.Exact, s.Least, s.Most = e.exit, true, s.To, s.To
	}
	s.agree()
}

// open notes that the session was still on when the log ended.
func (s *Session) open(end time.Time) {
	if s.Least = s.From; end.After(s.From) {
		s.Least = end
	}
}

// agree takes back what the clocks contradict: no session ends before it begins.
func (s *Session) agree() {
	if s.Exact && s.Stepped == 0 && !s.Jumped && !s.To.Before(s.From) {
		return // most are: nothing contradicts
	}
	negative := s.To.Sub(s.From) < s.Stepped || !s.Most.IsZero() && s.Most.Sub(s.From) < s.Stepped
	if negative || s.Jumped || s.Most.Before(s.Least) {
		s.Most = time.Time{}
	}
	if (negative || s.Jumped) && (s.Exact || s.Least.Before(s.From)) {
		s.Exact, s.Least = false, s.From
	}
}

// orphan returns the session of a logout whose login the log lacks.
func orphan(r utmpx.Record, e end) Session {
	s := Session{Login: r}
	finish(&s, &e, place{})
	s.From = time.Time{}
	return s
}
