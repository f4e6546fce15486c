// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// judge tells whether a session's login stands open in the log, and so whether
// its logout is to be appended. In doubt it is not: a logout behind another's
// login would end the living.
func judge(lines *recfile.Lines, r utmpx.Record, end time.Time) session.Logout {
	if r.Line == "" {
		return session.NoLogout
	}
	last, open := lines.Last(r.Line)
	switch {
	case open && sameLogin(last, r, end):
		return session.Appended
	case open:
		return session.Closed // another login on the line ended it
	case rotatedAway(lines, r):
		return session.Appended
	case lines.Seen(r.Line):
		return session.Closed
	}
	return session.NoLogout
}

// twoWritings is how far apart, in seconds, the times may be that a program puts
// into the two files at one login.
const twoWritings = 2

// sameLogin reports whether a login in the log is the record's. The pids may
// differ, a monitor's and a shell's. The same pid on the same line may be the
// next session's, which got it at once; then it is not of the same time.
func sameLogin(last recfile.Last, r utmpx.Record, end time.Time) bool {
	apart := last.Time.Sec - r.Time.Sec
	sameTime := apart == 0 || last.PID == r.PID && -twoWritings <= apart && apart <= twoWritings
	return last.User == r.User && sameTime && !last.Time.Time().After(end)
}

// rotatedAway reports whether the login may stand in an older file that could
// not be read: the present one begins after it, and nothing tells of its line.
func rotatedAway(lines *recfile.Lines, r utmpx.Record) bool {
	first, ok := lines.FirstTime()
	return ok && !lines.Whole() && first.Sec > r.Time.Sec && r.Time.Sec != 0 && !lines.Told(r.Line)
}

// Dead returns the record as the end of its session leaves it: in the utmpx
// file, and as the logout in the wtmpx file. What else it holds stays.
func Dead(r utmpx.Record, end time.Time, exit utmpx.Exit) utmpx.Record {
	r.Type, r.Time, r.Exit = utmpx.DeadProcess, utmpx.TimeOf(end), exit
	blank(&r)
	return r
}
