// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Part is a part of a log in which no whole record is.
type Part struct {
	From, To int64
	Size     int64       // of the log; negative: unknown
	Bytes    io.ReaderAt // the log's bytes; nil: they cannot be had
}

// looked is how many bytes of a damaged part are looked at.
const looked = 1 << 20

// block is what file systems write at once, and lose at once.
const block = 4096

// Damage takes a damaged part, at its place among the records.
func (l *Log) Damage(p Part) {
	l.endForeign()
	size := int64(l.o.Layout.Size())
	n := min(p.To-p.From, looked)
	b := make([]byte, n)
	if p.Bytes == nil {
		l.damaged(p, "")
		return
	}
	if k, err := p.Bytes.ReadAt(b, p.From); err != nil && int64(k) < n {
		l.damaged(p, "")
		return
	}
	switch {
	case p.Size-p.To < size && p.Size > 0 && zeros(b) && (p.From%size != 0 || n >= block-size):
		l.damaged(p, "NULs to the end of the file, as a power cut leaves them")
	case (p.To-p.From)%size != 0 || n < p.To-p.From:
		l.damaged(p, whatIs(b, p.From))
	case lostBlock(b, p.From) && (!zeros(b) || p.Size < 0): // that of a compressed file is unknown
		l.damaged(p, "a block of NULs, as a power cut leaves it")
	default:
		l.slots(p, b)
	}
}

func zeros(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// whatIs describes bytes that are no records.
func whatIs(b []byte, from int64) string {
	if lostBlock(b, from) {
		return "a block of NULs, as a power cut leaves it"
	}
	return "a torn record, or bytes that were lost or inserted"
}

// lostBlock reports whether a whole block of the file system is zero in b.
func lostBlock(b []byte, from int64) bool {
	for at := (from + block - 1) / block * block; at+block <= from+int64(len(b)); at += block {
		if zeros(b[at-from : at-from+block]) {
			return true
		}
	}
	return false
}

// slots reports what is in the place of whole records: those of a kind in a row
// together.
func (l *Log) slots(p Part, b []byte) {
	size := int64(l.o.Layout.Size())
	for at := int64(0); at < int64(len(b)); {
		what := l.slot(b[at : at+size])
		to := at + size
		for to < int64(len(b)) && l.slot(b[to:to+size]) == what {
			to += size
		}
		part := Part{p.From + at, p.From + to, p.Size, nil}
		switch what {
		case slotZero:
			l.zeroed(part)
		case slotTimeless:
			l.timeless(part, b[at:to])
		case slotBlank:
			l.textless(part, b[at:to])
		case slotDead: // systemd of before 2013
		default:
			l.damaged(part, "")
		}
		at = to
	}
}

// What is in the place of a record.
const (
	slotOther = iota
	slotZero
	slotTimeless // a record whose time is gone
	slotBlank    // a record whose text is gone
	slotDead     // the end of a process that never had a time
)

func (l *Log) slot(b []byte) int {
	if zeros(b) {
		return slotZero
	}
	r := l.o.Layout.Decode(string(b))
	if l.textGone(r, b) {
		return slotBlank
	}
	known := r.Type > utmpx.Empty && r.Type <= utmpx.DownTime && r.PID >= 0 && r.Line != "" && printable(r.Line) && printable(r.User) && printable(r.Host)
	switch {
	case !known || r.Time.Sec != 0:
		return slotOther
	case r.Type == utmpx.DeadProcess && r.User == "" && r.Host == "":
		return slotDead
	}
	return slotTimeless
}

// textGone reports whether nothing but numbers is left of a record, a process or a time: no
// program writes that, and a torn record leaves more.
func (l *Log) textGone(r utmpx.Record, b []byte) bool {
	if r.Type < utmpx.Empty || r.Type > utmpx.DownTime || r.PID < 0 || r.Time.Sec < 0 || r.Time.Usec < 0 || r.Time.Usec >= 1e6 ||
		r.Line != "" || !blank(r.User) || r.Host != "" || r.PID == 0 && r.Time.Sec == 0 {
		return false
	}
	plain, err := l.o.Layout.Encode(utmpx.Record{Type: r.Type, PID: r.PID, ID: r.ID, User: r.User, Session: r.Session, Exit: r.Exit, Time: r.Time, Addr: r.Addr})
	return err == nil && string(plain) == string(b)
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// zeroed reports records of zeros.
func (l *Log) zeroed(p Part) {
	n := (p.To - p.From) / int64(l.o.Layout.Size())
	between := ""
	if l.last.at.Sec > 0 {
		between = ", after " + local(l.last.at)
	}
	l.found(Finding{Kind: Zeroed, Severity: Error, From: p.From, To: p.To, At: at(l.last.at),
		Text:   count(n, "whole record of zeros", "whole records of zeros") + between,
		Advice: "log cleaners such as zap write zeros over a user's records; compare with the rotated logs and the system log"})
}

// timeless reports records that lost their time.
func (l *Log) timeless(p Part, b []byte) {
	size := l.o.Layout.Size()
	for i := 0; i < len(b); i += size {
		r := l.o.Layout.Decode(string(b[i : i+size]))
		from := p.From + int64(i)
		l.found(Finding{Kind: Blanked, Severity: Error, From: from, To: from + int64(size), At: at(l.last.at),
			Text:   fmt.Sprintf("a record without a time: %s of user %q on line %q, process %d", r.Type, r.User, r.Line, r.PID),
			Advice: "log cleaners take the time away and leave the rest; compare with the rotated logs and the system log"})
	}
}

// textless reports records that lost their text.
func (l *Log) textless(p Part, b []byte) {
	size := l.o.Layout.Size()
	for i := 0; i < len(b); i += size {
		r := l.o.Layout.Decode(string(b[i : i+size]))
		from, when := p.From+int64(i), at(r.Time)
		left := fmt.Sprintf("process %d", r.PID)
		if when.IsZero() {
			when = at(l.last.at)
		} else {
			left += ", time " + local(r.Time)
		}
		l.found(Finding{Kind: Blanked, Severity: Error, From: from, To: from + int64(size), At: when,
			Text:   fmt.Sprintf("a record without text: %s, %s", r.Type, left),
			Advice: "log cleaners take the line and the user away and leave the rest; compare with the rotated logs and the system log"})
	}
}

func (l *Log) damaged(p Part, what string) {
	size := int64(l.o.Layout.Size())
	n := (p.To - p.From + size - 1) / size
	if what != "" {
		what = ": " + what
	}
	advice := "`utmpctl repair` takes the whole records out of the file"
	if p.From == 0 && p.Size > 0 && p.Size-p.To < size {
		advice = nothingLeft
	}
	l.found(Finding{Kind: Damage, Severity: Error, From: p.From, To: p.To, At: at(l.last.at),
		Text:   fmt.Sprintf("no whole record here, at most %s lost%s", count(n, "is", "are"), what),
		Advice: advice})
}

// nothingLeft is the advice for a file without a record: there is nothing that a repair
// could take out.
const nothingLeft = "no record is left in the file: keep a copy, and `truncate -s 0` it"

// Partial returns the finding of a part of a record at the end of a file.
func Partial(from, to int64, last time.Time) Finding {
	return Finding{Kind: Torn, Severity: Error, From: from, To: to, At: last,
		Text:   fmt.Sprintf("a part of a record, of %s, at the end", count(to-from, "byte", "bytes")),
		Advice: "`utmpctl repair` takes it out"}
}

// Partial reports a part of a record at the end of the log.
func (l *Log) Partial(from, to int64) {
	l.endForeign()
	f := Partial(from, to, at(l.last.at))
	if l.records == 0 {
		f.Advice = nothingLeft
	}
	l.found(f)
}
