// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// LastlogForm is the form of a lastlog file: a record for each user ID, with the time,
// the line and the host of the last login.
//
// Source: struct lastlog in glibc's bits/utmp.h.
type LastlogForm struct {
	Order binary.ByteOrder
	Time  int // bytes of the time: 4, or 8 where a time has no other form
}

// The widths of the strings.
const (
	lastlogLine = 32
	lastlogHost = 256
)

// Size returns the size of a record.
func (f LastlogForm) Size() int { return f.Time + lastlogLine + lastlogHost }

var lastlogForms = []LastlogForm{
	{binary.LittleEndian, 4}, {binary.LittleEndian, 8}, {binary.BigEndian, 4}, {binary.BigEndian, 8},
}

// Lastlog checks the records of a lastlog file.
type Lastlog struct {
	form     LastlogForm
	modified time.Time
	found    func(Finding)
}

// NewLastlog checks a file that is in the form which fits most of the records in some of its
// bytes. at is the offset of these.
func NewLastlog(sample []byte, at int64, modified time.Time, found func(Finding)) *Lastlog {
	l := &Lastlog{form: lastlogForms[0], modified: modified, found: found}
	const earliest, year = 315532800, 365 * 24 * 3600 // 1980: a time that was read in another form is anywhere
	latest := int64(1) << 32
	if !modified.IsZero() {
		latest = modified.Unix() + year
	}
	most := -1
	for _, f := range lastlogForms {
		n, size := 0, int64(f.Size())
		for i := (size - at%size) % size; i+size <= int64(len(sample)); i += size {
			r := f.decode(sample[i : i+size])
			if !r.empty && r.why == "" && r.sec > earliest && r.sec < latest {
				n++
			}
		}
		if n > most {
			most, l.form = n, f
		}
	}
	return l
}

// Size returns the size of a record.
func (l *Lastlog) Size() int { return l.form.Size() }

type lastlogin struct {
	empty      bool
	sec        int64
	line, host string
	why        string // it is no record
}

func (f LastlogForm) decode(b []byte) lastlogin {
	var r lastlogin
	if zeros(b) {
		r.empty = true
		return r
	}
	if f.Time == 4 {
		r.sec = int64(f.Order.Uint32(b))
	} else {
		r.sec = int64(f.Order.Uint64(b))
	}
	r.line, r.host = cString(b[f.Time:f.Time+lastlogLine]), cString(b[f.Time+lastlogLine:])
	switch {
	case !printable(r.line) || !printable(r.host):
		r.why = "control characters"
	case r.sec < 0 || r.sec > 1<<33:
		r.why = "a time that cannot be"
	}
	return r
}

func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// Record takes the record of a user ID.
func (l *Lastlog) Record(uid int64, b []byte) {
	r := l.form.decode(b)
	size := int64(l.form.Size())
	f := Finding{Severity: Error, From: uid * size, To: (uid + 1) * size}
	switch {
	case r.empty:
		return // never, or zap: nothing tells
	case r.why != "":
		f.Kind, f.Text = Damage, fmt.Sprintf("the record of user ID %d is none: %s", uid, r.why)
		f.Advice = "the next login of the user writes it again"
	case r.sec == 0:
		f.Kind, f.Text = Blanked, fmt.Sprintf("the record of user ID %d has no time: line %q, host %q", uid, r.line, r.host)
		f.Advice = "log cleaners take the time away and leave the rest"
	case !l.modified.IsZero() && time.Unix(r.sec, 0).Sub(l.modified) > time.Minute:
		f.Kind, f.Severity, f.At = Future, Note, time.Unix(r.sec, 0)
		f.Text = fmt.Sprintf("the last login of user ID %d, of %s, is later than the last change of the file", uid, time.Unix(r.sec, 0).Format(stamp))
		f.Advice = "the clock or the file's time was set back, or the file is a copy"
	default:
		return
	}
	l.found(f)
}
