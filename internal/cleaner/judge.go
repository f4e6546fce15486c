// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// judge decides whether to append the logout of a session: if its login is open in the
// log. In doubt it decides against: after another session's login, a logout would end
// that one. A login that may be the session's, or that of a session that lives, is
// returned; its logout waits for evidence.
func judge(logins *openlogins.Logins, d session.Debt) (session.Logout, session.Login) {
	logout, doubt := judgeLine(logins, d)
	if logout == session.Closed {
		if second, ok := elsewhere(logins, d); ok && d.Of.Line == "" && !d.Alone {
			return session.LogoutOwed, second
		}
	}
	return logout, doubt
}

// judgeLine is judge for the login on the session's own line, or, if the log does not know
// that, for the one on another line.
func judgeLine(logins *openlogins.Logins, d session.Debt) (session.Logout, session.Login) {
	if d.Of.Line != "" {
		if isOpen(logins, d.Of) {
			return session.LogoutOwed, d.Of
		}
		return session.Closed, session.Login{}
	}
	r := d.Login
	if d.Alone {
		return judgeAlone(logins, d), session.Login{}
	}
	if !logins.Knows(r.Line) {
		if names, ok := elsewhere(logins, d); ok {
			return session.LogoutOwed, names
		}
	}
	if r.Line == "" {
		return session.NoLogout, session.Login{}
	}
	login, open := logins.On(r.Line)
	switch {
	case open && written(login, r, earliest(d)):
		return session.Appended, session.Login{}
	case open && mayBe(login, r, earliest(d)):
		return session.LogoutOwed, session.Login{Line: r.Line, PID: login.PID, Time: login.Time}
	case open:
		return session.Closed, session.Login{} // another login on the line ended it
	case logins.MayBeOpen(r.Line, r.Time):
		return session.Appended, session.Login{}
	case logins.Mentioned(r.Line):
		return session.Closed, session.Login{}
	}
	return session.NoLogout, session.Login{}
}

// judgeAlone decides for a login that stands in the log alone: it is known which one it is.
func judgeAlone(logins *openlogins.Logins, d session.Debt) session.Logout {
	login, open := logins.On(d.Login.Line)
	if open && written(login, d.Login, earliest(d)) {
		return session.Appended
	}
	return session.Closed
}

// elsewhere returns the login of a session that a program recorded under another line in
// the log: of the same process and user, at most two seconds apart. xrdp does, which leaves
// the log to PAM: that writes at another moment. With pam_lastlog, sshd's process has one on
// the line "ssh" too. A process that was never seen alive may have had the pid before another
// one, unless both were written as one.
func elsewhere(logins *openlogins.Logins, d session.Debt) (session.Login, bool) {
	name, login, ok := logins.OfProcess(d.Login.PID, d.Login.Line)
	seen := d.After.IsZero() || d.After.After(d.Login.Time.Time()) || written(login, d.Login, earliest(d))
	if !ok || !seen || !mayBe(login, d.Login, earliest(d)) {
		return session.Login{}, false
	}
	return session.Login{Line: name, PID: login.PID, Time: login.Time}, true
}

// isOpen reports whether exactly that login is open.
func isOpen(logins *openlogins.Logins, login session.Login) bool {
	at, open := logins.On(login.Line)
	return open && at.PID == login.PID && at.Time == login.Time
}

// earliest returns when a session was dead at the earliest: not before its login, even
// if the clock was set back since.
func earliest(d session.Debt) time.Time {
	at, login := d.End, d.Login.Time.Time()
	if !d.After.IsZero() {
		at = d.After
	}
	if at.Before(login) {
		return login
	}
	return at
}

// twoWritings is how many seconds the times may differ that are written to the two files
// at one login. Some programs leave the second file to PAM, which writes it from another
// process, with a time of its own.
const twoWritings = 2

// written reports whether a login in the log and the record r were written as one. Whole
// seconds prove that only if the session lived on: the next one may have got the pid at
// once.
func written(login openlogins.Login, r utmpx.Record, death time.Time) bool {
	return login.User == r.User && login.PID == r.PID && login.Time == r.Time && (r.Time.Usec != 0 || wholly(login.Time, death))
}

// mayBe reports whether a login in the log can be that of the record r, which died at
// the earliest then. It is that if, beside, no other record fits it as well, and its own
// pid names no living process that may be its own.
func mayBe(login openlogins.Login, r utmpx.Record, death time.Time) bool {
	if login.User != r.User || !near(login.Time, r.Time) {
		return false
	}
	// A display's session outlives the process that wrote its login.
	if strings.Contains(r.Line, ":") && login.PID != r.PID && (r.Session == 0 || r.Session != int64(login.PID)) {
		return false
	}
	return wholly(login.Time, death) || login.PID == r.PID && login.Time == r.Time
}

// near reports whether two times may be of one login.
func near(a, b utmpx.Time) bool {
	apart := a.Sec - b.Sec
	return -twoWritings <= apart && apart <= twoWritings
}

// wholly reports whether a login's time lies before a death. Without microseconds it is
// a whole second.
func wholly(login utmpx.Time, death time.Time) bool {
	t := login.Time()
	if login.Usec == 0 {
		return !t.Add(time.Second).After(death)
	}
	return t.Before(death)
}

// rivals reports whether the record o fits a login as well as the record r does.
func rivals(o, r utmpx.Record, login session.Login) bool {
	if o.Type != utmpx.UserProcess || o.User != r.User || o.Line != r.Line && o.Line != login.Line || !near(login.Time, o.Time) {
		return false
	}
	if a, b := names(o, login), names(r, login); a != b {
		return a
	}
	return apart(o.Time, login.Time) <= apart(r.Time, login.Time)
}

// names reports whether a record names the process of a login: as its own, or as the
// leader of its session, as login(1) does, whose parent has written to the log.
func names(r utmpx.Record, login session.Login) bool {
	return r.PID == login.PID || r.Session != 0 && r.Session == int64(login.PID)
}

func apart(a, b utmpx.Time) time.Duration { return a.Time().Sub(b.Time()).Abs() }

// Logout returns the record that closes a session's login in the wtmpx file: that of the
// utmpx file after its end, with the mark of who wrote it as its host.
func Logout(d session.Debt) utmpx.Record {
	r := Dead(d.Login, d.End, d.Status.Exit())
	r.Host = session.Mark(d.End, d.After)
	return r
}

// Dead returns the record of a session after its end, for the utmpx file. It keeps the
// other fields.
func Dead(r utmpx.Record, end time.Time, exit utmpx.Exit) utmpx.Record {
	r.Type, r.Time, r.Exit = utmpx.DeadProcess, utmpx.TimeOf(end), exit
	blank(&r)
	return r
}
