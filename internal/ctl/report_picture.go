// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"cmp"
	"fmt"
	"html"
	"path/filepath"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/sessions"
)

// picture is what a page shows besides the sums. Its size is bounded, whatever the log has.
type picture struct {
	chart     chart
	calendar  calendar
	now       time.Time
	of        string // the machine, or the files
	files     string // as options
	periods   []boots.Period
	lines     map[string]*usage
	leftLines int     // sessions of lines beyond mostUsers
	sure      []int32 // in each row of the calendar: by how many more sessions were on than in the row before
	perhaps   []int32 // the same, those that may have been on among them
	crowd     atOnce  // of those that were or may have been on
	certain   atOnce  // of those that were
	rows      []byte  // of the table of sessions
	listed    int
	table     *sessionTable
	notes     []string
}

// rows is a set of rows of a calendar.
type rows [(mostDays + 63) / 64]uint64

func (r *rows) set(first, end int) {
	for i := first; i < end; i++ {
		r[i/64] |= 1 << (i % 64)
	}
}

func (r *rows) has(i int) bool { return r[i/64]>>(i%64)&1 != 0 }

func newPicture(in call, since, until time.Time) *picture {
	p := &picture{chart: chart{since, until}, now: in.on.now(), of: cmp.Or(in.on.hostname(), "this machine"), lines: map[string]*usage{}}
	p.calendar = p.chart.calendar()
	p.sure, p.perhaps = make([]int32, len(p.calendar.begins)+1), make([]int32, len(p.calendar.begins)+1)
	p.table = &sessionTable{v: &listing{now: p.now}}
	var names []string
	for _, name := range in.values["f"] {
		names = append(names, filepath.Base(name))
		p.files += fmt.Sprintf(" -f %q", name)
	}
	if names != nil {
		p.of = strings.Join(names, ", ")
	}
	return p
}

// note keeps what was told on standard error.
func (p *picture) note(told string) {
	for line := range strings.Lines(told) {
		p.notes = append(p.notes, strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "utmpctl: "))
	}
}

// draw takes a session. user is nil if it is of one of too many.
func (r *summary) draw(s *sessions.Session, user *usage, least, most time.Duration, known bool) {
	from, sure, perhaps, ok := s.Drawn(r.since, r.until)
	line := usageOf(r.lines, s.Login.Line, &r.leftLines)
	if line != nil {
		line.add(s, least, most, known)
	}
	first, end := r.calendar.rows(from, perhaps)
	_, certain := r.calendar.rows(from, sure)
	if !ok {
		certain = first
	}
	for _, u := range []*usage{user, line} {
		if u != nil {
			r.chart.draw(&u.drawn, from, sure, perhaps, ok)
			u.days.set(first, certain)
			u.maybe.set(certain, end)
		}
	}
	if first < len(r.calendar.begins) {
		r.sure[first]++
		r.sure[certain]--
		r.perhaps[first]++
		r.perhaps[end]--
	}
	r.crowd.add(r.chart.reach(from, perhaps))
	if ok {
		r.certain.add(r.chart.reach(from, sure))
	}
	if r.listed++; r.listed <= mostRows {
		r.list(s)
	}
}

// list adds a session to the table.
func (p *picture) list(s *sessions.Session) {
	text := func(v string) string { return html.EscapeString(screen{unicode: true}.text(v)) }
	from := "–"
	if !s.From.IsZero() {
		from = timeTag(s.From, short(s.From))
	}
	to := html.EscapeString(string(p.table.appendTo(nil, s)))
	if !s.To.IsZero() {
		to = fmt.Sprintf("<time datetime=%s>%s</time>", s.To.Local().Format(time.RFC3339), to)
	}
	lasted := html.EscapeString(string(p.table.appendLasted(nil, s)))
	if least, most, ok := s.Lasted(p.now); ok && least == most {
		lasted = spanTag(least, string(p.table.appendLasted(nil, s)))
	}
	p.rows = fmt.Appendf(p.rows, "<tr><th scope=row><bdi>%s</bdi></th><td class=free>%s</td><td class=free><bdi>%s</bdi></td><td>%s</td><td>%s</td><td>%s</td><td class=free>%s</td></tr>\n",
		text(s.Login.User), text(s.Login.Line), text(hostOrAddress(s)), from, to,
		lasted, html.EscapeString(endedBy(s)))
}

// saidDays is how many days, or runs of days, the label of a drawing names.
const saidDays = 12

// said says when somebody was on, for those who cannot see it.
func (k *calendar) said(u *usage) string {
	form, _, _ := strings.Cut(k.form, ",")
	var parts []string
	for i := 0; i < len(k.begins); i++ {
		if !u.days.has(i) && !u.maybe.has(i) {
			continue
		}
		first := i
		for i+1 < len(k.begins) && (u.days.has(i+1) || u.maybe.has(i+1)) {
			i++
		}
		text := k.begins[first].Format(form)
		if i > first {
			text += " to " + k.begins[i].Format(form)
		}
		parts = append(parts, text)
	}
	if n := len(parts) - saidDays; n > 0 {
		parts = append(parts[:saidDays], fmt.Sprintf("and %d times more", n))
	}
	return "on: " + strings.Join(parts, ", ")
}

// userCount is how many users there are, at least if there are too many.
func (r *summary) userCount() string {
	if r.left > 0 {
		return fmt.Sprintf("more than %d", len(r.users))
	}
	return fmt.Sprint(len(r.users))
}
