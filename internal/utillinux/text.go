// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"utmpd.dev/utmpd/utmpx"
)

// AppendText appends r to b as utmpdump of util-linux 2.41 prints it, with its newline,
// and returns the extended slice:
//
//	[7] [01234] [ts/0] [alice   ] [pts/0       ] [host                ] [10.0.0.1       ] [2026-11-28T17:13:09,123456+00:00]
//
// The time is in UTC. A byte that is no printable ASCII character, and a bracket, becomes
// a question mark. What the form has no place for is lost: the session, the exit status.
func AppendText(b []byte, r utmpx.Record) []byte {
	var f textForm
	return f.append(b, &r, false)
}

// textForm remembers the day of the last record, since most are of the same.
type textForm struct {
	day  int64  // since 1970
	date []byte // of the day: 2026-11-28T
}

// append is [AppendText] in the form of util-linux 2.38 if old is set. They differ only
// in microseconds that are no microseconds.
func (f *textForm) append(b []byte, r *utmpx.Record, old bool) []byte {
	b = append(b, '[')
	b = strconv.AppendInt(b, int64(r.Type), 10)
	b = append(b, "] ["...)
	b = appendPadded(b, int64(r.PID), 5)
	b = append(b, "] ["...)
	b = appendCleaned(b, r.ID, 4)
	b = append(b, "] ["...)
	b = appendCleaned(b, r.User, 8)
	b = append(b, "] ["...)
	b = appendCleaned(b, r.Line, 12)
	b = append(b, "] ["...)
	b = appendCleaned(b, r.Host, 20)
	b = append(b, "] ["...)
	b = appendAddress(b, r.Addr, 15)
	b = append(b, "] ["...)
	b = f.appendTime(b, r.Time, old)
	return append(b, "]\n"...)
}

// appendPadded appends a number with zeros up to a width, which counts the sign.
func appendPadded(b []byte, v int64, width int) []byte {
	if 0 <= v && (width == 5 && v <= 99999 || width == 6 && v <= 999999) {
		return appendShort(b, int(v), width)
	}
	var digits [20]byte
	d := strconv.AppendInt(digits[:0], v, 10)
	if d[0] == '-' {
		b, d, width = append(b, '-'), d[1:], width-1
	}
	for n := len(d); n < width; n++ {
		b = append(b, '0')
	}
	return append(b, d...)
}

// appendShort appends a number of that many digits, which are five or six.
func appendShort(b []byte, v, digits int) []byte {
	if digits == 6 {
		b = append(b, byte('0'+v/100000))
	}
	return appendTwo(appendTwo(append(b, byte('0'+v/10000%10)), v/100%100), v%100)
}

// appendCleaned appends a string with spaces up to a width.
func appendCleaned(b []byte, s string, width int) []byte {
	n := len(b)
	b = append(b, s...)
	for i, c := range b[n:] {
		b[n+i] = clean[c]
	}
	return pad(b, n+width)
}

// clean has for each byte the one that is printed.
var clean = func() (to [256]byte) {
	for c := range to {
		to[c] = '?'
		if ' ' <= c && c <= '~' && c != '[' && c != ']' {
			to[c] = byte(c)
		}
	}
	return to
}()

// appendAddress appends an address as inet_ntop(3) prints it, with spaces up to a width.
// It is one of IPv4 if only its first four bytes are set, as 0.0.0.0 is.
func appendAddress(b []byte, a [16]byte, width int) []byte {
	n := len(b)
	switch {
	case a == [16]byte{}:
		b = append(b, "0.0.0.0"...)
	case [12]byte(a[4:]) == [12]byte{}:
		b = netip.AddrFrom4([4]byte(a[:4])).AppendTo(b)
	case [12]byte(a[:12]) == [12]byte{} && (a[12] != 0 || a[13] != 0):
		// The C library prints the last four bytes of such an address as IPv4.
		b = append(b, "::"...)
		b = netip.AddrFrom4([4]byte(a[12:])).AppendTo(b)
	default:
		b = netip.AddrFrom16(a).AppendTo(b)
	}
	return pad(b, n+width)
}

func (f *textForm) appendTime(b []byte, t utmpx.Time, old bool) []byte {
	day := floorDiv(t.Sec, 86400)
	if f.date == nil || day != f.day {
		c := civilDay(day)
		f.day, f.date = day, c.appendDate(f.date[:0])
	}
	var c civil
	c.clock(int(t.Sec - day*86400))
	b = c.appendClock(append(b, f.date...))
	b = append(b, ',')
	usec := t.Usec
	if !old {
		usec = fraction(usec)
	}
	return append(appendPadded(b, usec, 6), "+00:00"...)
}

// fraction returns what 2.41 prints for microseconds. It has nanoseconds in 32 bits, and
// takes more than a second for none.
func fraction(usec int64) int64 {
	if usec >= 1000000 {
		return 0
	}
	return int64(uint32(usec*1000) / 1000)
}

// The errors of ParseText.
var (
	// ErrNoRecord is the error of a line that does not begin like a record.
	ErrNoRecord = errors.New("not a record: it does not begin with a type, a pid and an id in brackets")
	// ErrFewFields is the error of a line that begins like a record and then lacks a field.
	ErrFewFields = errors.New("a field in brackets is missing")
)

// The widths of fields: what is longer is cut.
const (
	idWidth   = 4
	nameWidth = 32
	hostWidth = 256
	timeWidth = 28
	// headWidth is where the fields behind the id are looked for.
	headWidth = len("[7] [01234] [ts/0] ")
)

// ParseText returns the record of a line in the form of [AppendText], or in that of
// util-linux before 2.28, with a time like "Wed Aug 28 03:00:00 2013". It reads what
// utmpdump -r reads, and as that does: the offset of a time is not looked at, names end
// at a space, the id is four bytes with its spaces, an address that is none is 0.0.0.0,
// and an odd time is whatever could be read of it. Time.Sec may not fit a layout.
//
// Its errors are [ErrNoRecord] and [ErrFewFields].
func ParseText(line string) (utmpx.Record, error) {
	var r utmpx.Record
	if i := strings.IndexByte(line, 0); i >= 0 {
		line = line[:i]
	}
	s := scan{rest: line}
	typ, ok1 := s.number()
	pid, ok2 := s.number()
	id, ok3 := s.bytes(idWidth)
	if !ok1 || !ok2 || !ok3 {
		return r, ErrNoRecord
	}
	r.Type, r.PID, r.ID = utmpx.Type(int16(typ)), int32(pid), id
	if len(line) < headWidth {
		return r, ErrFewFields
	}
	var address, at string
	rest := line[headWidth:]
	for _, to := range []*string{&r.User, &r.Line, &r.Host, &address, &at} {
		_, field, ok := strings.Cut(rest, "[")
		if ok {
			*to, rest, ok = strings.Cut(field, "]")
		}
		if !ok {
			return r, ErrFewFields
		}
	}
	r.User, r.Line, r.Host = cut(r.User, nameWidth), cut(r.Line, nameWidth), cut(r.Host, hostWidth)
	address, at = cut(address, hostWidth), at[:min(len(at), timeWidth)]
	if a, ok := parseAddress(address); ok {
		r.SetIP(a)
		if a.Is6() {
			r.Addr = a.As16()
		}
	}
	r.Time = parseTime(at)
	return r, nil
}

// cut returns a name up to a space, or to a width.
func cut(s string, width int) string {
	s, _, _ = strings.Cut(s, " ")
	return s[:min(len(s), width)]
}

// parseAddress reads an address as inet_pton(3) does.
func parseAddress(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.Is4() != strings.Contains(s, ".") {
		return netip.Addr{}, false
	}
	return a, true
}

// scan reads the head of a line.
type scan struct{ rest string }

// bracket takes "[", and the closing bracket and white space before it.
func (s *scan) bracket() bool {
	var ok bool
	s.rest, ok = strings.CutPrefix(s.rest, "[")
	return ok
}

// number reads a number in brackets, and white space behind it. What does not fit is cut
// as C does it.
func (s *scan) number() (int64, bool) {
	if !s.bracket() {
		return 0, false
	}
	s.rest = strings.TrimLeft(s.rest, spaces)
	v, n := integer(s.rest)
	if n == 0 {
		return 0, false
	}
	s.rest = s.rest[n:]
	var ok bool
	if s.rest, ok = strings.CutPrefix(s.rest, "]"); !ok {
		s.rest = "" // this number counts, and nothing behind it
	}
	s.rest = strings.TrimLeft(s.rest, spaces)
	return v, true
}

// bytes reads so many bytes behind a bracket, or fewer if the line ends.
func (s *scan) bytes(n int) (string, bool) {
	if !s.bracket() || s.rest == "" {
		return "", false
	}
	return s.rest[:min(n, len(s.rest))], true
}

// spaces are what isspace(3) takes for white space.
const spaces = " \t\n\v\f\r"

// integer reads a number with its sign at the start of s and returns how long it is. What
// does not fit into 64 bits becomes the nearest number that does.
func integer(s string) (v int64, n int) {
	if n < len(s) && (s[n] == '-' || s[n] == '+') {
		n++
	}
	digits := n
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	if n == digits {
		return 0, 0
	}
	v, _ = strconv.ParseInt(s[:n], 10, 64) // the nearest, if out of range
	return v, n
}

// parseTime reads a time in UTC, and the microseconds behind a comma.
func parseTime(s string) utmpx.Time {
	var t utmpx.Time
	if s != "" && s[0] != ' ' {
		var c fields
		if '0' <= s[0] && s[0] <= '9' {
			c.read(s, "%Y-%m-%dT%H:%M:%S")
		} else {
			c.read(s, "%a %b %d %H:%M:%S %Y")
		}
		t.Sec = c.seconds()
	}
	if _, usec, ok := strings.Cut(s, ","); ok {
		v, _ := integer(strings.TrimLeft(usec, spaces))
		t.Usec = int64(int32(v))
	}
	return t
}
