// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"strings"

	"utmpd.dev/utmpd/internal/events"
	"utmpd.dev/utmpd/internal/sessions"
)

// event returns an event as a line for people.
func (s screen) event(e events.Event) string {
	head, what := fmt.Sprintf("%s  %-8s  ", short(e.Time), e.Kind), s.what(e)
	if s.width > 0 {
		what = s.cut(what, max(1, s.width-len(head)))
	}
	return strings.TrimRight(head+what, " ")
}

func (s screen) what(e events.Event) string {
	switch e.Kind {
	case events.Login:
		return s.whose(e.Session) + s.from(e.Session)
	case events.Logout:
		return s.logout(e)
	case events.Boot:
		return strings.TrimPrefix(s.text(e.Kernel)+knownFrom(e), ", ")
	case events.Crash:
		return bounds(e) + knownFrom(e)
	case events.Shutdown:
		return strings.TrimPrefix(knownFrom(e), ", ")
	case events.Clock:
		if e.From.IsZero() {
			return "set"
		}
		step := e.To.Sub(e.From)
		if step < 0 {
			return "set back by " + length(-step, true)
		}
		return "set forward by " + length(step, true)
	case events.Gap:
		if e.To.IsZero() {
			return "records after this may be missing"
		}
		return "records may be missing until " + short(e.To)
	}
	return ""
}

func knownFrom(e events.Event) string {
	if e.By == "" {
		return ""
	}
	return ", as the " + strings.ReplaceAll(string(e.By), "-", " ") + " shows"
}

// bounds says how much earlier or later than its time something may have happened.
func bounds(e events.Event) string {
	switch {
	case e.Exact:
		return "at this time"
	case e.Most.IsZero():
		return "at this time or later"
	case e.Most.After(e.Time):
		return "up to " + length(e.Most.Sub(e.Time), true) + " later"
	}
	return "up to " + length(e.Time.Sub(e.Least), true) + " earlier"
}

// whose says whose session it is.
func (s screen) whose(who events.Session) string {
	user := s.text(who.User)
	if user == "" {
		user = "somebody"
	}
	return user + " on " + s.text(who.Line)
}

// from says where a session came from. It is last in its line, as hosts may be long.
func (s screen) from(who events.Session) string {
	if who.Host == "" {
		return ""
	}
	return ", from " + s.text(who.Host)
}

func (s screen) logout(e events.Event) string {
	b := s.whose(e.Session) + lasted(e)
	switch e.EndedBy {
	case sessions.Logout:
	case sessions.Killed:
		b += fmt.Sprintf(", killed by signal %d", e.Signal)
	case sessions.Utmpd:
		b += ", closed by utmpd"
	case sessions.Replaced:
		b += ", replaced on its line"
	case sessions.Unknown:
		b += ", its end is lost"
	default:
		b += ", by " + string(e.EndedBy)
	}
	return b + s.from(e.Session)
}

// lasted says how long a session lasted.
func lasted(e events.Event) string {
	least, most := length(e.Shortest, true), length(e.Longest, e.Longest >= 0)
	switch {
	case !e.Lasted:
		return ""
	case least == most:
		return ", after " + least
	case e.Longest < 0:
		return ", after " + least + " or more"
	case e.Shortest == 0:
		return ", after " + most + " at most"
	}
	return ", after " + least + " to " + most
}
