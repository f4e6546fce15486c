// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"encoding/binary"
	"time"

	"utmpd.dev/utmpd/internal/recordjson"
	"utmpd.dev/utmpd/internal/sessions"
)

// usualForm is the line of a usual session: one that a logout ended, at a time that is known
// exactly, on the day on which it began, with texts that need no escape and fit their columns.
// Nearly all are of this kind, and their lines differ in few bytes: to put these where they
// belong takes less than half the time that making cells of them and a row of the cells takes.
type usualForm struct {
	line  []byte // with blanks where the texts and times belong; nil: not made yet
	at    []int  // where the columns begin
	short [24]byte
}

// usual prints a usual session, and reports whether this is one.
func (t *sessionTable) usual(s *sessions.Session) bool {
	if s.End != sessions.Logout || !s.Exact || s.Exit.Exit != 0 || s.By != "" || s.Stepped != 0 || s.Jumped || s.From.IsZero() {
		return false
	}
	f := &t.form
	if f.line == nil && !t.know() {
		return false
	}
	t.clock.on(s.From)
	start, next := t.clock.start, t.clock.next
	to, lasted := s.To.Unix(), s.To.Sub(s.From)
	if lasted < 0 || to >= next || !t.clock.plain() {
		return false
	}
	from := len(t.t.b)
	b := append(t.t.b, f.line...)
	row := b[from:]
	if !t.put(row, 0, s.Login.User) || !t.put(row, 1, s.Login.Line) || !t.put(row, 2, hostOrAddress(s)) {
		return false
	}
	copy(row[f.at[3]:], t.clock.date)
	binary.LittleEndian.PutUint64(row[f.at[3]+len("2006-01-02 "):], recordjson.ClockWord(uint64(s.From.Unix()-start)))
	binary.LittleEndian.PutUint64(row[f.at[4]:], recordjson.ClockWord(uint64(to-start)))
	if t.long {
		short := appendLength(f.short[:0], lasted)
		if len(short) > t.t.widths[5] {
			return false
		}
		copy(row[f.at[6]-gap-len(short):], short)
	}
	t.t.line(b)
	return true
}

// put puts a text in its column if it fits.
func (t *sessionTable) put(row []byte, i int, v string) bool {
	if len(v) > t.t.widths[i] || !printable(v) {
		return false
	}
	copy(row[t.form.at[i]:], v)
	return true
}

// know makes the form, and reports whether there is one: not before the widths of the columns
// are known, and not on a narrow screen, whose lines are cut.
func (t *sessionTable) know() bool {
	w := t.t.widths
	if w == nil || t.t.narrow || t.clock.brief || w[3] < len(time.DateTime) || w[4] < len(time.TimeOnly) {
		return false
	}
	for _, n := range w {
		t.form.at = append(t.form.at, len(t.form.line))
		t.form.line = blank(t.form.line, n+gap)
	}
	t.form.line = append(t.form.line[:t.form.at[len(w)-1]], string(sessions.Logout)...)
	return true
}
