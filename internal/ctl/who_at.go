// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/moments"
	"utmpd.dev/utmpd/internal/recordjson"
	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// pastPresence is a session that was on at a moment, or may have been.
type pastPresence struct {
	sessions.Session
	sure bool
}

// attendanceAt is who was on at a moment, from the log and its rotated files.
type attendanceAt struct {
	in                     call
	of                     wanted
	at                     time.Time
	all                    []pastPresence
	text                   texts     // of all
	certain, perhaps, left int       // how many were on, may have been, and are not in all
	before                 bool      // the log begins after the moment
	oldest                 time.Time // the log's beginning; zero if it is empty
}

// whoAt prints who was on at the moment of -at, as -json and -count say.
func whoAt(in call) error {
	at, err := moments.Parse(in.value("at"), in.on.now())
	switch {
	case err != nil:
	case at.IsZero():
		err = errors.New("it has no time")
	case at.After(in.on.now()):
		err = fmt.Errorf("%s is yet to come", short(at))
	case in.set["v"]:
		err = errors.New("-v explains the present alone")
	}
	if err != nil {
		return &usageError{fmt.Errorf("who: -at: %w", err), whoCommand().usage()}
	}
	defer collectLate()()
	a := &attendanceAt{in: in, of: in.wanted(), at: at}
	log := &sessionLog{in: in, since: at, until: at}
	a.read(log)
	switch {
	case in.set["count"] && a.before: // no number is better than a wrong one
	case in.set["count"]:
		_, err = fmt.Fprintln(in.stdout, a.certain)
	case in.set["json"]:
		err = a.writeJSON(in.stdout)
	default:
		err = a.writeTable(in.stdout)
	}
	if a.before {
		err = errors.Join(err, fmt.Errorf("who: sessions at %s are not known: %s", short(at), a.begins()))
	}
	if a.perhaps > 0 && in.set["count"] {
		tell(in.stderr, fmt.Sprintf("who: %s more may have been on", count(a.perhaps, "session", "sessions")))
	}
	if a.left > 0 {
		err = errors.Join(err, fmt.Errorf("who: %s left out, of more than %d: name users or lines", count(a.left, "session is", "sessions are"), mostPresent))
	}
	if readErr := log.err(); readErr != nil {
		err = errors.Join(err, fmt.Errorf("who: %w", readErr))
	}
	return err
}

// read finds the sessions.
func (a *attendanceAt) read(log *sessionLog) {
	for s := range log.all() {
		a.take(*s)
	}
	if !log.back.Done() {
		for _, s := range log.back.Rest() {
			a.take(s)
		}
		a.before = true
		if t := log.back.Time(); t.Sec > 0 {
			a.oldest = t.Time()
			a.before = a.at.Before(a.oldest)
		}
	}
	slices.SortStableFunc(a.all, func(x, y pastPresence) int {
		return cmp.Or(cmp.Compare(x.Login.Line, y.Login.Line), x.From.Compare(y.From))
	})
}

// begins says from when on the log knows.
func (a *attendanceAt) begins() string {
	if a.oldest.IsZero() {
		return "the log has no record"
	}
	return fmt.Sprintf("the log begins at %s, and of the time before it has only what ended later", short(a.oldest))
}

func (a *attendanceAt) take(s sessions.Session) {
	p := s.Within(a.at, a.at)
	if p == sessions.Off || !a.of.has(&s) {
		return
	}
	if p == sessions.On {
		a.certain++
	} else {
		a.perhaps++
	}
	switch {
	case a.in.set["count"]:
	case len(a.all) == mostPresent:
		a.left++
	default:
		var login utmpx.Record
		a.text.login(&login, &s.Login)
		s.Login = login
		a.all = append(a.all, pastPresence{s, p == sessions.On})
	}
}

// mostPresent is how many sessions are kept to be sorted: far more than any system has at a
// time. A log that somebody made may have a million.
const mostPresent = 1 << 15

func (a *attendanceAt) writeTable(w io.Writer) error {
	s := a.in.screen()
	t := s.table(w, column{name: "USER", least: 4}, column{name: "LINE", least: 5}, column{name: "FROM", least: 4},
		column{name: "SINCE (" + a.in.on.now().Local().Format("MST") + ")"}, column{name: "ON"})
	clock := s.days(a.in.on.now())
	for _, p := range a.all {
		t.row(s.whose(p.Login.User), s.text(p.Login.Line), s.text(hostOrAddress(&p.Session)), string(clock.appendFull(nil, p.From)), p.certainty())
	}
	if err := t.flush(); err != nil {
		return err
	}
	text := fmt.Sprintf("%s: %d on", short(a.at), a.certain)
	if a.before {
		text += " for certain"
	}
	if a.perhaps > 0 {
		text += fmt.Sprintf(", %d more may have been", a.perhaps)
	}
	text = s.folded(text)
	if len(a.all) > 0 {
		text = "\n" + text
	}
	_, err := fmt.Fprint(w, text)
	return err
}

// certainty says whether a session was on for certain, and if not, why.
func (p *pastPresence) certainty() string {
	switch {
	case p.sure:
		return "yes"
	case p.From.IsZero():
		return "perhaps: its login is not in the log"
	case p.Jumped || p.Stepped != 0 || p.To.Before(p.From) && !p.To.IsZero():
		return "perhaps: the clock was set"
	}
	switch p.End {
	case sessions.Utmpd:
		return "perhaps: it was closed later by utmpd"
	case sessions.Crash:
		return "perhaps: the system crashed"
	case sessions.Unknown:
		return "perhaps: the log is damaged"
	case sessions.Open:
		return "perhaps: the log ends before"
	}
	return "perhaps: it has no logout"
}

func (a *attendanceAt) writeJSON(w io.Writer) error {
	lines := &sessionLines{now: a.in.on.now()}
	for _, p := range a.all {
		b := append(lines.append(nil, &p.Session), `,"at":`...)
		b = append(recordjson.AppendTime(b, a.at), `,"sure":`...)
		b = fmt.Appendf(b, "%t}\n", p.sure)
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}
