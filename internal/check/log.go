// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"fmt"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/glance"
	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// Options describe the log.
type Options struct {
	Layout   *utmpx.Layout
	Failed   bool      // it holds failed logins, as btmp does: nothing ends
	Modified time.Time // when it was changed last; zero: unknown
}

// Log checks the records of a log one after the other, and reports what it finds at
// once. It keeps what is open on each line, of at most 65536 lines.
type Log struct {
	o     Options
	found func(Finding)

	records int64
	last    timed      // the record before, as the clock was then
	before  utmpx.Time // of the one before that
	booted  utmpx.Time // of the last boot's record; zero: none yet
	seen    bool       // a boot's record
	foreign run        // records of another layout in a row
	lines   lines
	fields  *glance.Fields    // nil: the layout is that of another system
	ids     map[string]string // the lines of logins on FreeBSD, whose logouts have none
	record  utmpx.Record
}

// timed is a record that has a time.
type timed struct {
	at   utmpx.Time
	off  int64
	sets bool // it is of a boot, or of a clock that was set
}

// run is some records in a row.
type run struct {
	layout   *utmpx.Layout
	from, to int64
	n        int64
}

// NewLog checks a log. found gets each finding.
func NewLog(o Options, found func(Finding)) *Log {
	l := &Log{o: o, found: found, ids: map[string]string{}}
	if !o.Layout.IsForeign() {
		l.fields = glance.Of(o.Layout)
	}
	l.lines = lines{found: found, layout: o.Layout, all: map[string]*line{}, first: true}
	return l
}

// Record takes the next record, at an offset, as bytes of a layout. It keeps nothing of
// their memory.
func (l *Log) Record(layout *utmpx.Layout, b []byte, off int64) {
	l.records++
	typ, at, first := layout.Peek(b)
	ordinary := l.fields != nil && layout == l.o.Layout && l.foreign.n == 0 && first != 0 && first != '~' && at.Sec > 0 && at.Sec+2 >= l.last.at.Sec
	switch {
	case ordinary && l.o.Failed:
		l.clock(at, off, false)
	case ordinary && typ == utmpx.UserProcess && l.fields.FirstOfUser(b) > ' ':
		l.clock(at, off, false)
		l.lines.login(l.fields.Line(b), l.fields.PID(b), at, off)
	case ordinary && typ == utmpx.DeadProcess:
		l.clock(at, off, false)
		if line, pid := l.fields.Line(b), l.fields.PID(b); l.lines.logout(line, pid, at, off) {
			l.lines.alone(l.decode(layout, b), off)
		}
	default:
		l.odd(l.decode(layout, b), off)
	}
}

// decode returns a record that is valid until the next call.
func (l *Log) decode(layout *utmpx.Layout, b []byte) *utmpx.Record {
	l.record = layout.Decode(glance.Text(b))
	return &l.record
}

// odd takes a record that is not one of most.
func (l *Log) odd(r *utmpx.Record, off int64) {
	l.layout(r, off, int64(r.Layout().Size()))
	kind := boots.KindOf(*r)
	l.time(r, kind, off)
	switch {
	case kind.EndsLogins():
		if kind != boots.BeganEarlier {
			l.lines.closeAll(kind.BeginsBoot())
		}
	case r.Type == utmpx.Empty && l.fields != nil:
		l.untyped(r, off)
	case l.o.Failed:
	case r.Type == utmpx.UserProcess && blank(r.User):
		l.blanked(r, off)
		l.lines.logout(r.Line, r.PID, r.Time, off) // whatever it was, what follows is not its logout
	case r.Type == utmpx.UserProcess:
		l.identify(r)
		l.lines.login(r.Line, r.PID, r.Time, off)
	case r.Type == utmpx.DeadProcess:
		l.logout(r, off)
	case r.Type == utmpx.LoginProcess, r.Type == utmpx.InitProcess:
		l.lines.getty(r)
	}
}

// identify keeps the line of a login whose logout will have its identifier alone.
func (l *Log) identify(r *utmpx.Record) {
	if r.Layout() == utmpx.FreeBSD197 && len(l.ids) < mostLines {
		l.ids[strings.Clone(r.ID)] = strings.Clone(r.Line)
	}
}

func (l *Log) logout(r *utmpx.Record, off int64) {
	if r.Layout() == utmpx.FreeBSD197 && r.Line == "" {
		r.Line = l.ids[r.ID]
	}
	if l.lines.logout(r.Line, r.PID, r.Time, off) {
		l.lines.alone(r, off)
	}
}

// blank reports whether a name has nothing but blanks.
func blank(s string) bool { return s == "" || s[0] == ' ' && strings.Trim(s, " ") == "" }

// layout reports records of another layout, those in a row together.
func (l *Log) layout(r *utmpx.Record, off, size int64) {
	rl := r.Layout()
	if rl == l.o.Layout || grid.Alike(rl, l.o.Layout) {
		if l.foreign.n > 0 {
			l.endForeign()
		}
		return
	}
	if f := &l.foreign; f.n > 0 && f.layout == rl && f.to == off {
		f.to, f.n = off+size, f.n+1
		return
	}
	l.endForeign()
	l.foreign = run{rl, off, off + size, 1}
}

func (l *Log) endForeign() {
	f := l.foreign
	l.foreign = run{}
	if f.n == 0 {
		return
	}
	l.found(Finding{Kind: OtherLayout, Severity: Error, From: f.from, To: f.to,
		Text:   fmt.Sprintf("%s in the layout %s; the file is %s", count(f.n, "record", "records"), f.layout, l.o.Layout),
		Advice: "a program of another system wrote here; `utmpctl repair` writes all in one layout, that of most"})
}

// Limits of the steps that a clock takes.
const (
	smallStep = time.Minute      // an adjustment
	settling  = 15 * time.Minute // after a boot, the clock may be set without a record
)

// time reports a record that is earlier than the one before it.
func (l *Log) time(r *utmpx.Record, kind boots.Kind, off int64) {
	at := r.Time
	if at.Sec <= 0 || kind == boots.Init {
		return // init's records before a boot's have that boot's clock
	}
	last, before := l.last, l.last.at
	if at.Sec+2 < before.Sec && before.Sec > 0 && l.late(r) {
		return
	}
	around := l.before
	l.clock(at, off, kind.BeginsBoot() || kind == boots.NewClock)
	if kind.BeginsBoot() {
		defer func() { l.booted, l.seen = at, true }()
	}
	if at.Sec+2 >= before.Sec || before.Sec == 0 || kind == boots.NewClock {
		return
	}
	step := before.Time().Sub(at.Time())
	f := Finding{Kind: TimeBack, Severity: Warning, From: off, To: off + int64(r.Layout().Size()), At: at.Time(),
		Text:   fmt.Sprintf("the time goes back by %s, from %s to %s", step.Round(time.Second), local(before), local(at)),
		Advice: "the clock was set and no program recorded it, or the record was put here later"}
	switch {
	case kind.BeginsBoot():
		f.Severity, f.Advice = Note, "the clock was behind at this boot, or ahead in the one before"
	case l.seen && before.Time().Sub(l.booted.Time()) < settling:
		f.Severity, f.Advice = Note, "the clock was set soon after the boot"
	case step > smallStep && !last.sets && around.Sec > 0 && at.Sec+2 >= around.Sec:
		f.From, f.To, f.At = last.off, last.off+int64(r.Layout().Size()), before.Time()
		f.Text = fmt.Sprintf("the time of this record alone, %s, is later than the next one, %s, by %s", local(before), local(at), step.Round(time.Second))
		f.Advice = "the clock was wrong for a moment, or the record was changed"
	case step <= smallStep:
		f.Severity, f.Advice = Note, "the clock was adjusted, or two programs wrote at once"
	}
	l.found(f)
}

// clock notes the time of a record.
func (l *Log) clock(at utmpx.Time, off int64, sets bool) {
	l.before, l.last = l.last.at, timed{at, off, sets}
}

// late reports whether a record's time may be earlier than that of its writing: utmpd
// closes a login as of the death, and some programs log out with the time of the login.
func (l *Log) late(r *utmpx.Record) bool {
	if r.Type != utmpx.DeadProcess {
		return false
	}
	if _, ours := session.ParseMark(*r); ours {
		return true
	}
	o := l.lines.top(r.Line)
	return o != nil && o.at == r.Time
}

// blanked reports a session's record that lost its user. A program that logs out in the
// old way leaves no process either.
func (l *Log) blanked(r *utmpx.Record, off int64) {
	if r.PID <= 0 && r.Host == "" {
		return
	}
	l.found(blankedUser(r, off, leftovers(r)))
}

// untyped reports a record that says it is none, with all that a session's has.
func (l *Log) untyped(r *utmpx.Record, off int64) {
	l.found(Finding{Kind: NoType, Severity: Warning, From: off, To: off + int64(r.Layout().Size()), At: at(r.Time),
		Text:   fmt.Sprintf("a record of the type EMPTY that has user %q on line %q, process %d, host %q", r.User, r.Line, r.PID, r.Host),
		Advice: "it is no login, though util-linux's last shows one: its type was overwritten, or a program took the record back"})
	if !l.o.Failed {
		l.lines.login(r.Line, r.PID, r.Time, off) // what follows may be its logout
	}
}

func blankedUser(r *utmpx.Record, off int64, left bool) Finding {
	f := Finding{Kind: Blanked, Severity: Warning, From: off, To: off + int64(r.Layout().Size()), At: at(r.Time),
		Text:   fmt.Sprintf("a session without a user on line %q, process %d, host %q", r.Line, r.PID, r.Host),
		Advice: "log cleaners take the user away and leave the rest; compare with the rotated logs and the system log"}
	if left {
		f.Severity = Error
		f.Text += ": the user's field begins with a NUL, and text follows it"
	}
	return f
}

// leftovers reports whether something is behind the end of a string of the record.
func leftovers(r *utmpx.Record) bool {
	plain, err := r.Layout().Encode(utmpx.Record{Type: r.Type, PID: r.PID, Line: r.Line, ID: r.ID, User: r.User, Host: r.Host,
		Exit: r.Exit, Session: r.Session, Time: r.Time, Addr: r.Addr})
	return err == nil && string(plain) != r.Raw()
}

// End reports what only the end shows.
func (l *Log) End() {
	l.endForeign()
	if m := l.o.Modified; !m.IsZero() && l.last.at.Time().Sub(m) > time.Minute {
		l.found(Finding{Kind: Future, Severity: Note, At: at(l.last.at),
			Text:   fmt.Sprintf("the last record, of %s, is later than the last change of the file, %s", local(l.last.at), m.Local().Format(stamp)),
			Advice: "the clock or the file's time was set back, or the file is a copy"})
	}
	l.lines.end()
}

// Records returns how many records there were.
func (l *Log) Records() int64 { return l.records }

const stamp = "2006-01-02 15:04:05 MST"

func local(t utmpx.Time) string { return t.Time().Local().Format(stamp) }

// at returns a record's time, the zero time if it has none.
func at(t utmpx.Time) time.Time {
	if t.Sec <= 0 {
		return time.Time{}
	}
	return t.Time()
}
