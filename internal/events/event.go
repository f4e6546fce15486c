// SPDX-License-Identifier: BSD-2-Clause

// Package events derives from the records of a wtmpx log what happened: logins, logouts,
// boots, shutdowns, crashes, and steps of the clock. A [Stream] takes the records one by
// one, and goes on after a restart where it was. It does no I/O and reads no clock.
package events

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// Schema is the version of the events' form; see docs/events.md. It grows when a field
// changes its meaning or goes away. New fields, kinds and endings leave it.
const Schema = 1

// Kind is what happened.
type Kind string

// The kinds of event.
const (
	Login    Kind = "login"
	Logout   Kind = "logout"
	Boot     Kind = "boot"
	Shutdown Kind = "shutdown"
	Crash    Kind = "crash"
	Clock    Kind = "clock" // it was set
	Gap      Kind = "gap"   // records are missing
)

// Event is one thing that happened.
type Event struct {
	ID   string // the same whenever the log is read, wherever its records are by then
	Kind Kind
	Time time.Time // as the log says
	// Exact is false if only bounds of the time are known. Least and Most are the bounds;
	// the zero time is unknown.
	Exact       bool
	Least, Most time.Time

	Session Session // of a login or logout

	// Of a logout.
	EndedBy sessions.Ending
	// How long the session lasted, at least and at most, if Lasted. A negative Longest is
	// unknown.
	Shortest, Longest time.Duration
	Lasted            bool
	Signal            int16 // that ended it; 0: none, or unknown
	Status            int16 // the exit status; 0: none, or unknown

	Kernel string       // of a boot: its release
	By     boots.Source // of a crash, a session that it ended, or a shutdown that was recorded late: where the time is from

	From time.Time // of a step of the clock: the time before, zero if unknown; of a gap: of the record before it
	To   time.Time // of a step of the clock: the time after; of a gap: of the record after it, zero if none
}

// Machine is the one that a log is of.
type Machine struct {
	Name string // its host name, "" if unknown
	// ID and Boot identify it and its boot, to somebody who has the events of many; "": they
	// are left out.
	ID, Boot string
}

// Session is a session as its login tells it. If the login is not in the log, it has what
// the logout tells, and no ID.
type Session struct {
	ID    string
	Line  string
	User  string
	Host  string
	Addr  netip.Addr // invalid: none
	PID   int32
	Began time.Time // zero if unknown
}

// sessionID returns the ID of the session that a login begins: its time, process and line.
// Every byte of the line but visible ASCII is escaped.
func sessionID(at utmpx.Time, pid int32, line string) string {
	var space [128]byte
	b := append(strconv.AppendInt(space[:0], at.Sec, 10), '.')
	if at.Usec >= 0 && at.Usec <= 999_999 {
		for unit := int64(100_000); unit > 0; unit /= 10 {
			b = append(b, byte('0'+at.Usec/unit%10))
		}
	} else {
		b = fmt.Appendf(b, "%06d", at.Usec)
	}
	b = append(strconv.AppendInt(append(b, ':'), int64(pid), 10), ':')
	for i := range len(line) {
		if c := line[i]; c <= ' ' || c > '~' || c == '%' || c == '"' || c == '\\' {
			b = fmt.Appendf(b, "%%%02X", c)
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}
