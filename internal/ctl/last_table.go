// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"utmpd.dev/utmpd/internal/moments"
	"utmpd.dev/utmpd/internal/recordjson"
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
	form  usualForm
}

// roomy is the width from which the table says how long each session lasted.
const roomy = 100

func newSessionTable(v *listing, s screen, w io.Writer) *sessionTable {
	t := &sessionTable{v: v, s: s, w: w, long: s.width == 0 || s.width >= roomy, clock: s.days(v.now)}
	cols := []column{{name: "USER", least: 4}, {name: "LINE", least: 5}, {name: "HOST", least: 4},
		{name: "FROM (" + v.now.Local().Format("MST") + ")"}, {name: "TO"}, {name: "ENDED BY", least: len("crash, +1m00s")}}
	if t.clock.brief {
		cols[5].least = len("shutdown")
	}
	if t.long {
		cols = append(cols[:5:5], column{name: "FOR", right: true}, cols[5])
	}
	t.t = s.table(w, cols...)
	t.t.most = fastWrite
	return t
}

func (t *sessionTable) session(s *sessions.Session) {
	if !t.usual(s) {
		t.any(s)
	}
}

// any prints any session.
func (t *sessionTable) any(s *sessions.Session) {
	row := &t.t.now
	row.reset()
	for _, v := range [...]string{s.Login.User, s.Login.Line, hostOrAddress(s)} {
		row.text = t.s.appendText(row.text, v)
		row.end()
	}
	row.text = t.clock.appendFull(row.text, s.From)
	row.end()
	row.text = t.appendTo(row.text, s)
	row.end()
	if t.long {
		row.text = t.appendLasted(row.text, s)
		row.end()
	}
	row.text = append(row.text, endedBy(s)...)
	row.end()
	t.t.add()
}

func hostOrAddress(s *sessions.Session) string {
	if s.Login.Host != "" {
		return s.Login.Host
	}
	return address(s)
}

// appendTo says when a session ended: with the day, if that is another than it began.
func (t *sessionTable) appendTo(b []byte, s *sessions.Session) []byte {
	switch {
	case s.End == sessions.StillOn:
		return append(b, "still on"...)
	case s.To.IsZero():
		return append(b, '-')
	case s.End == sessions.Replaced, s.End == sessions.Unknown:
		b = append(b, "< "...)
	case s.End == sessions.Crash && !s.Exact:
		b = append(b, "> "...)
	}
	return t.clock.appendShort(b, s.To, s.From)
}

// appendLasted says how long a session lasted.
func (t *sessionTable) appendLasted(b []byte, s *sessions.Session) []byte {
	least, most, ok := s.Lasted(t.v.now)
	switch {
	case !ok:
		return append(b, '?')
	case least == most, s.End == sessions.Utmpd && most > 0:
		return appendLength(b, most)
	case most < 0 && least == 0:
		return append(b, '?')
	case most >= 0 && (s.End != sessions.Crash || least == 0):
		return appendLength(append(b, "< "...), roundUp(most))
	}
	return appendLength(append(b, "> "...), least.Truncate(time.Second))
}

// endedBy says how a session ended, how exactly its end is known, and who alone knows it.
func endedBy(s *sessions.Session) string {
	if s.By != fromWtmpdb {
		return endedHow(s)
	}
	if how := endedHow(s); how != "" {
		return how + ", in wtmpdb"
	}
	return "in wtmpdb"
}

func endedHow(s *sessions.Session) string {
	if s.End == sessions.Logout && s.Exact && s.Exit.Exit == 0 {
		return string(s.End) // most do
	}
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
		return "log damaged"
	case sessions.Open:
		return "the log ends"
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
		if t.v.log != nil && t.v.log.failed {
			return nil // nobody knows; what was not read is named
		}
		_, err := fmt.Fprintln(t.w, "no sessions")
		return err
	}
	_, err := fmt.Fprintf(t.w, "\n%s", t.s.folded(t.v.total(t.s)))
	return err
}

// days formats local times. It remembers the last day, since most times are of few days.
type days struct {
	brief bool // without seconds, and without the year if it is this one
	this  int

	start, next int64 // the day, in seconds
	date        string
	year        int
}

// brief is the width below which tables leave out seconds and the year: how a session ended is
// worth more.
const brief = 66

// days returns what formats times for the screen.
func (s screen) days(now time.Time) days {
	return days{brief: s.width > 0 && s.width < brief, this: now.Local().Year()}
}

// appendFull appends a time as short formats it, or that there is none.
func (d *days) appendFull(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, '-')
	}
	return d.appendAny(b, t)
}

// appendAny appends a time as short formats it.
func (d *days) appendAny(b []byte, t time.Time) []byte {
	year, date := d.on(t), d.date
	if d.brief && year == d.this {
		date = date[len("2006-"):]
	}
	return d.timeOfDay(append(append(b, date...), ' '), t)
}

// appendShort appends a time without what it has in common with another one.
func (d *days) appendShort(b []byte, t, with time.Time) []byte {
	d.on(with)
	year, s := d.year, t.Unix()
	switch {
	case d.start <= s && s < d.next:
		return d.timeOfDay(b, t)
	case d.on(t) == year:
		b = append(b, d.date[len("2006-"):]...)
	default:
		b = append(b, d.date...)
	}
	return d.timeOfDay(append(b, ' '), t)
}

// on makes the day that of a time, and returns the year.
func (d *days) on(t time.Time) int {
	if s := t.Unix(); s < d.start || s >= d.next {
		day := moments.StartOf(t.Local())
		d.start, d.next = day.Unix(), day.AddDate(0, 0, 1).Unix()
		d.date, d.year = day.Format(time.DateOnly), day.Year()
	}
	return d.year
}

// timeOfDay appends the time of the day that on was called with last.
func (d *days) timeOfDay(b []byte, t time.Time) []byte {
	b = d.exactTime(b, t)
	if d.brief {
		return b[:len(b)-len(":00")]
	}
	return b
}

func (d *days) exactTime(b []byte, t time.Time) []byte {
	if !d.plain() {
		return t.Local().AppendFormat(b, time.TimeOnly) // the clocks change on that day
	}
	return binary.LittleEndian.AppendUint64(b, recordjson.ClockWord(uint64(t.Unix()-d.start)))
}

// plain reports whether the day has 24 hours.
func (d *days) plain() bool { return d.next-d.start == 24*3600 }
