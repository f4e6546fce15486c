// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"io"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/sessions"
)

// sessionTable prints sessions for people, one a line.
type sessionTable struct {
	v     *listing
	s     screen
	w     io.Writer
	t     *table
	long  bool // there is room for how long each lasted
	clock days
	cells []string
}

// roomy is the width from which the table says how long each session lasted.
const roomy = 100

func newSessionTable(v *listing, s screen, w io.Writer) *sessionTable {
	t := &sessionTable{v: v, s: s, w: w, long: s.width == 0 || s.width >= roomy}
	cols := []column{{name: "USER", least: 4}, {name: "LINE", least: 5}, {name: "HOST", least: 4},
		{name: "FROM (" + v.now.Local().Format("MST") + ")"}, {name: "TO"}, {name: "ENDED BY", least: len("crash, +1m00s")}}
	if t.long {
		cols = append(cols[:5:5], column{name: "FOR", right: true}, cols[5])
	}
	t.t = s.table(w, cols...)
	return t
}

func (t *sessionTable) session(s *sessions.Session) {
	cells := t.cells[:0]
	if t.t.widths == nil {
		cells = make([]string, 0, len(t.t.cols)) // the table keeps them
	}
	cells = append(cells, t.text(s.Login.User), t.text(s.Login.Line), t.text(hostOrAddress(s)),
		t.clock.full(s.From), t.to(s))
	if t.long {
		cells = append(cells, t.lasted(s))
	}
	t.cells = append(cells, endedBy(s))
	t.t.row(t.cells...)
}

// text returns a printable text. What the table keeps has memory of its own.
func (t *sessionTable) text(v string) string {
	if t.t.widths == nil {
		v = strings.Clone(v)
	}
	return t.s.text(v)
}

func hostOrAddress(s *sessions.Session) string {
	if s.Login.Host != "" {
		return s.Login.Host
	}
	return address(s)
}

// to says when a session ended: with the day, if that is another than it began.
func (t *sessionTable) to(s *sessions.Session) string {
	switch {
	case s.End == sessions.StillOn:
		return "still on"
	case s.To.IsZero():
		return "-"
	case s.End == sessions.Replaced, s.End == sessions.Unknown:
		return t.clock.short("< ", s.To, s.From)
	case s.End == sessions.Crash && !s.Exact:
		return t.clock.short("> ", s.To, s.From)
	}
	return t.clock.short("", s.To, s.From)
}

// lasted says how long a session lasted.
func (t *sessionTable) lasted(s *sessions.Session) string {
	least, most, ok := s.Lasted(t.v.now)
	switch {
	case !ok:
		return "?"
	case least == most, s.End == sessions.Utmpd && most > 0:
		return length(most, true)
	case most < 0 && least == 0:
		return "?"
	case most >= 0 && (s.End != sessions.Crash || least == 0):
		return "< " + length(roundUp(most), true)
	}
	return "> " + length(least.Truncate(time.Second), true)
}

// endedBy says how a session ended, and how exactly its end is known.
func endedBy(s *sessions.Session) string {
	text := string(s.End)
	switch s.End {
	case sessions.StillOn:
		return ""
	case sessions.Killed:
		text = fmt.Sprintf("signal %d", s.Exit.Termination)
	case sessions.Replaced:
		return "no logout"
	case sessions.Gone:
		return "gone, no logout"
	case sessions.Unknown:
		return "unknown, log damaged"
	case sessions.Open:
		return "no end in the log"
	}
	if s.Exit.Exit != 0 {
		text += fmt.Sprintf(", exit %d", s.Exit.Exit)
	}
	return text + exactEnd(s)
}

// exactEnd says how exactly the end of a session is known.
func exactEnd(s *sessions.Session) string {
	switch {
	case s.Exact:
		return ""
	case s.Jumped || s.To.Before(s.From) || s.Most.IsZero() && s.End != sessions.Crash:
		return ", the clock was set"
	case s.End == sessions.Crash && s.Most.IsZero():
		return ", or later"
	case s.End == sessions.Crash:
		return ", +" + length(roundUp(s.Most.Sub(s.Least)), true)
	}
	return ", -" + length(roundUp(s.Most.Sub(s.Least)), true)
}

func (t *sessionTable) end() error {
	if err := t.t.flush(); err != nil {
		return err
	}
	if t.v.shown == 0 {
		_, err := fmt.Fprintln(t.w, "no sessions")
		return err
	}
	_, err := fmt.Fprintf(t.w, "\n%s", folded(t.v.total(t.s)))
	return err
}

// days formats local times. It remembers the last day, since most times are of few days.
type days struct {
	start, next int64 // the day, in seconds
	date        string
	year        int
}

// full formats a time as short does.
func (d *days) full(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	var space [32]byte
	d.on(t)
	b := append(append(space[:0], d.date...), ' ')
	return string(d.timeOfDay(b, t))
}

// short formats a time without what it has in common with another one. before is put
// before it.
func (d *days) short(before string, t, with time.Time) string {
	var space [32]byte
	b := append(space[:0], before...)
	d.on(with)
	year, s := d.year, t.Unix()
	switch {
	case d.start <= s && s < d.next:
		return string(d.timeOfDay(b, t))
	case d.on(t) == year:
		b = append(b, d.date[len("2006-"):]...)
	default:
		b = append(b, d.date...)
	}
	return string(d.timeOfDay(append(b, ' '), t))
}

// on makes the day that of a time, and returns the year.
func (d *days) on(t time.Time) int {
	if s := t.Unix(); s < d.start || s >= d.next {
		day := startOf(t.Local())
		d.start, d.next = day.Unix(), day.AddDate(0, 0, 1).Unix()
		d.date, d.year = day.Format(time.DateOnly), day.Year()
	}
	return d.year
}

// timeOfDay appends the time of the day that on was called with last.
func (d *days) timeOfDay(b []byte, t time.Time) []byte {
	if d.next-d.start != 24*3600 {
		return t.Local().AppendFormat(b, time.TimeOnly) // the clocks change on that day
	}
	s := t.Unix() - d.start
	for i, n := range [...]int64{s / 3600, s / 60 % 60, s % 60} {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, byte('0'+n/10), byte('0'+n%10))
	}
	return b
}
