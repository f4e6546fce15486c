// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"time"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// judge decides whether to append the logout of a session whose record is r: if
// its login is open in the log. In doubt it decides against: after another
// session's login, a logout would end that one.
func judge(logins *openlogins.Logins, r utmpx.Record, end time.Time) session.Logout {
	if r.Line == "" {
		return session.NoLogout
	}
	login, open := logins.On(r.Line)
	switch {
	case open && sameLogin(login, r, end):
		return session.Appended
	case open:
		return session.Closed // another login on the line ended it
	case logins.MayBeOpen(r.Line, r.Time):
		return session.Appended
	case logins.Mentioned(r.Line):
		return session.Closed
	}
	return session.NoLogout
}

// twoWritings is how many seconds the times may differ that a program writes to
// the two files at one login.
const twoWritings = 2

// sameLogin reports whether a login in the log is that of the record r. The pids
// may differ: that of a monitor, and that of its shell. The same pid on the same
// line may be that of the next session, if it got the pid at once; but then the
// times differ.
func sameLogin(login openlogins.Login, r utmpx.Record, end time.Time) bool {
	apart := login.Time.Sec - r.Time.Sec
	sameTime := apart == 0 || login.PID == r.PID && -twoWritings <= apart && apart <= twoWritings
	return login.User == r.User && sameTime && !login.Time.Time().After(end)
}

// Dead returns the record of a session after its end, for the utmpx file and as
// the logout in the wtmpx file. It keeps the other fields.
func Dead(r utmpx.Record, end time.Time, exit utmpx.Exit) utmpx.Record {
	r.Type, r.Time, r.Exit = utmpx.DeadProcess, utmpx.TimeOf(end), exit
	blank(&r)
	return r
}
