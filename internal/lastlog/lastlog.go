// SPDX-License-Identifier: BSD-2-Clause

// Package lastlog knows the lastlog files of several systems: a record for each user ID, at
// a place that is a multiple of the record's size, with the time, the line and the host of
// the last login. It does no I/O.
package lastlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Form is the form of a lastlog file.
//
// Source: struct lastlog in glibc's bits/utmp.h, lastlog.h of illumos, utmp.h of NetBSD 10
// and of OpenBSD 7.
type Form struct {
	Order binary.ByteOrder
	Time  int // bytes of the time: 4 or 8
	Line  int // bytes of the line
	Host  int // bytes of the host
}

// Forms returns all forms: those of Linux first.
func Forms() (all []Form) {
	for _, w := range [][3]int{
		{4, 32, 256}, // Linux
		{8, 32, 256}, // Linux where a time has no other form, as on arm64
		{8, 8, 256},  // OpenBSD
		{4, 8, 16},   // illumos, Solaris, and BSD of old
		{8, 8, 16},   // NetBSD
	} {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			all = append(all, Form{order, w[0], w[1], w[2]})
		}
	}
	return all
}

// Size returns the size of a record.
func (f Form) Size() int { return f.Time + f.Line + f.Host }

// Name returns the form's name, as lastlog-292-le.
func (f Form) Name() string {
	order := "le"
	if f.Order == binary.BigEndian {
		order = "be"
	}
	return fmt.Sprintf("lastlog-%d-%s", f.Size(), order)
}

// Login is the last login of a user.
type Login struct {
	Empty bool // never
	Time  time.Time
	Line  string
	Host  string
	Why   string // it is no record
}

// latest is the last second that is believed: a time in another byte order is beyond it as a
// rule.
const latest = 1 << 33

// Decode decodes a record.
func (f Form) Decode(b []byte) Login {
	var r Login
	b = b[:f.Size()]
	if len(bytes.Trim(b, "\x00")) == 0 {
		r.Empty = true
		return r
	}
	sec := f.seconds(b)
	r.Time = time.Unix(sec, 0)
	r.Line, r.Host = text(b[f.Time:f.Time+f.Line]), text(b[f.Time+f.Line:f.Size()])
	switch {
	case !printable(r.Line) || !printable(r.Host):
		r.Why = "control characters"
	case sec < 0 || sec > latest:
		r.Why = "a time that cannot be"
	}
	return r
}

func (f Form) seconds(b []byte) int64 {
	if f.Time == 4 {
		return int64(f.Order.Uint32(b))
	}
	return int64(f.Order.Uint64(b))
}

// text returns a string of a record, up to the first NUL.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func printable(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// A time that is believed lies after 1980 and, where it is known when the file was changed,
// less than a year after that: one that was read in another form is anywhere.
const (
	earliest = 315532800
	year     = 365 * 24 * 3600
)

// believed reports whether a record is one beyond doubt: it has a time that can be and a
// line, and NULs after each string.
func (f Form) believed(b []byte, modified time.Time) bool {
	most := int64(latest)
	if !modified.IsZero() {
		most = modified.Unix() + year
	}
	r := f.Decode(b)
	sec := f.seconds(b)
	return r.Why == "" && sec > earliest && sec < most && r.Line != "" && b[f.Time] > ' ' &&
		padded(b[f.Time:f.Time+f.Line]) && padded(b[f.Time+f.Line:f.Size()])
}

// padded reports whether a string has nothing but NULs after its first one.
func padded(b []byte) bool {
	i := bytes.IndexByte(b, 0)
	return i < 0 || len(bytes.Trim(b[i:], "\x00")) == 0
}

// Sample is some of a file's bytes, from an offset on.
type Sample struct {
	At    int64
	Bytes []byte
}

// Guess returns the form that fits samples of a file best. A form in which the file's size is
// that of whole records comes first.
func Guess(samples []Sample, size int64, modified time.Time) (best Form) {
	most, whole := math.MinInt, false
	for _, f := range Forms() {
		n, others := f.count(samples, modified)
		is := n > 0 && size%int64(f.Size()) == 0
		if is && !whole || is == whole && n-others > most {
			best, most, whole = f, n-others, is
		}
	}
	return best
}

// Detect reports whether samples of a file's bytes are surely of a lastlog file, and its form:
// all its records are such beyond doubt, and of one form alone.
func Detect(samples []Sample, size int64, modified time.Time) (f Form, sure bool) {
	found := 0
	for _, g := range Forms() {
		if size%int64(g.Size()) != 0 {
			continue
		}
		if n, others := g.count(samples, modified); n > 0 && others == 0 {
			f = g
			found++
		}
	}
	return f, found == 1
}

// count returns how many records of samples are of a form beyond doubt, and how many are not.
func (f Form) count(samples []Sample, modified time.Time) (n, others int) {
	size := int64(f.Size())
	for _, s := range samples {
		for i := (size - s.At%size) % size; i+size <= int64(len(s.Bytes)); i += size {
			b := s.Bytes[i : i+size]
			switch {
			case len(bytes.Trim(b, "\x00")) == 0:
			case f.believed(b, modified):
				n++
			default:
				others++
			}
		}
	}
	return n, others
}
