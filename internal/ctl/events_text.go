// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"strconv"
	"strings"

	"utmpd.dev/utmpd/internal/events"
	"utmpd.dev/utmpd/internal/sessions"
)

// eventText makes lines for people of events.
type eventText struct {
	screen
	clock days
	b     []byte
}

// line returns an event as a line. It is overwritten by the next one.
func (t *eventText) line(e *events.Event) []byte {
	b := append(t.clock.appendAny(t.b[:0], e.Time), "  "...)
	b = append(append(b, e.Kind...), "          "[min(len(e.Kind), 8):]...)
	head := len(b)
	b = t.appendWhat(b, e)
	if t.width > 0 && (!ascii(b[head:]) || len(b) > t.width) {
		b = append(b[:head], t.cut(string(b[head:]), max(1, t.width-head))...)
	}
	t.b = append(bytes.TrimRight(b, " "), '\n')
	return t.b
}

func (t *eventText) appendWhat(b []byte, e *events.Event) []byte {
	switch e.Kind {
	case events.Login:
		return t.appendFrom(t.appendWhose(b, &e.Session), &e.Session)
	case events.Logout:
		return t.appendLogout(b, e)
	case events.Boot:
		return append(b, strings.TrimPrefix(t.text(e.Kernel)+knownFrom(e), ", ")...)
	case events.Crash:
		return append(append(b, bounds(e)...), knownFrom(e)...)
	case events.Shutdown:
		return append(b, strings.TrimPrefix(knownFrom(e), ", ")...)
	case events.Clock:
		return append(b, set(e)...)
	case events.Gap:
		if e.To.IsZero() {
			return append(b, "records after this may be missing"...)
		}
		return append(append(b, "records may be missing until "...), short(e.To)...)
	}
	return b
}

// set says how the clock was set.
func set(e *events.Event) string {
	if e.From.IsZero() {
		return "set"
	}
	step := e.To.Sub(e.From)
	if step < 0 {
		return "set back by " + length(-step, true)
	}
	return "set forward by " + length(step, true)
}

func knownFrom(e *events.Event) string {
	if e.By == "" {
		return ""
	}
	return ", as the " + strings.ReplaceAll(string(e.By), "-", " ") + " shows"
}

// bounds says how much earlier or later than its time something may have happened.
func bounds(e *events.Event) string {
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

// appendWhose says whose session it is.
func (t *eventText) appendWhose(b []byte, who *events.Session) []byte {
	if who.User == "" {
		b = append(b, "somebody"...)
	} else {
		b = t.appendText(b, who.User)
	}
	return t.appendText(append(b, " on "...), who.Line)
}

// appendFrom says where a session came from. It is last in its line, as hosts may be long.
func (t *eventText) appendFrom(b []byte, who *events.Session) []byte {
	if who.Host == "" {
		return b
	}
	return t.appendText(append(b, ", from "...), who.Host)
}

func (t *eventText) appendLogout(b []byte, e *events.Event) []byte {
	b = appendLasted(t.appendWhose(b, &e.Session), e)
	switch e.EndedBy {
	case sessions.Logout:
	case sessions.Killed:
		b = strconv.AppendInt(append(b, ", killed by signal "...), int64(e.Signal), 10)
	case sessions.Utmpd:
		b = append(b, ", closed by utmpd"...)
	case sessions.Replaced:
		b = append(b, ", replaced on its line"...)
	case sessions.Unknown:
		b = append(b, ", its end is lost"...)
	default:
		b = append(append(b, ", by "...), e.EndedBy...)
	}
	return t.appendFrom(b, &e.Session)
}

// appendLasted says how long a session lasted.
func appendLasted(b []byte, e *events.Event) []byte {
	if !e.Lasted {
		return b
	}
	least := length(e.Shortest, true)
	b = append(b, ", after "...)
	if e.Longest < 0 {
		return append(append(b, least...), " or more"...)
	}
	most := length(e.Longest, true)
	switch {
	case least == most:
		return append(b, least...)
	case e.Shortest == 0:
		return append(append(b, most...), " at most"...)
	}
	return append(append(append(b, least...), " to "...), most...)
}
