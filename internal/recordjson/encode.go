// SPDX-License-Identifier: BSD-2-Clause

// Package recordjson writes a session record as a line of JSON, and reads it. Every byte
// of a record survives that: what the text of a field cannot hold is kept beside it, in
// base64. It does no I/O.
package recordjson

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"utmpd.dev/utmpd/utmpx"
)

// Append appends the record as one JSON object, without a newline, and returns the extended
// slice. The object has a field for each of the record, and some more where needed:
//
//   - line_raw, id_raw, user_raw, host_raw: the bytes of a string that is not UTF-8
//   - time_sec, time_usec: those of a time that no date can express; time is null then
//   - raw: all bytes of a record that holds more than its fields say, such as bytes behind
//     the end of a string
//
// No control character is in it, also none of those that JSON would allow.
func Append(b []byte, r utmpx.Record) []byte {
	b = append(b, `{"type":`...)
	if name := r.Type.String(); r.Type >= 0 && r.Type <= utmpx.DownTime {
		b = AppendString(b, name)
	} else {
		b = strconv.AppendInt(b, int64(r.Type), 10)
	}
	b = append(b, `,"pid":`...)
	b = strconv.AppendInt(b, int64(r.PID), 10)
	b = AppendText(b, "line", r.Line)
	b = AppendText(b, "id", r.ID)
	b = AppendText(b, "user", r.User)
	b = AppendText(b, "host", r.Host)
	b = appendAddr(b, r)
	b = append(b, `,"session":`...)
	b = strconv.AppendInt(b, r.Session, 10)
	b = append(b, `,"exit_termination":`...)
	b = strconv.AppendInt(b, int64(r.Exit.Termination), 10)
	b = append(b, `,"exit_status":`...)
	b = strconv.AppendInt(b, int64(r.Exit.Exit), 10)
	b = appendTime(b, r.Time)
	if l := r.Layout(); l != nil {
		b = append(b, `,"layout":"`...)
		b = append(append(b, l.Name()...), '"')
		if holdsMore(r) {
			b = appendBytes(b, "raw", r.Raw())
		}
	}
	return append(b, '}')
}

// holdsMore reports whether the record has bytes that do not follow from its fields.
func holdsMore(r utmpx.Record) bool {
	plain := utmpx.Record{Type: r.Type, PID: r.PID, Line: r.Line, ID: r.ID, User: r.User, Host: r.Host,
		Session: r.Session, Time: r.Time, Exit: r.Exit, Addr: r.Addr}
	var space [utmpx.MaxSize]byte
	b, err := r.Layout().AppendEncode(space[:0], plain)
	return err != nil || string(b) != r.Raw()
}

func appendAddr(b []byte, r utmpx.Record) []byte {
	b = append(b, `,"addr":`...)
	addr, ok := r.IP()
	if !ok {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = addr.AppendTo(b)
	return append(b, '"')
}

func appendTime(b []byte, t utmpx.Time) []byte {
	b = append(b, `,"time":`...)
	if t.IsZero() {
		return append(b, "null"...)
	}
	if !dated(t) {
		b = append(b, `null,"time_sec":`...)
		b = strconv.AppendInt(b, t.Sec, 10)
		b = append(b, `,"time_usec":`...)
		return strconv.AppendInt(b, t.Usec, 10)
	}
	return AppendTime(b, t.Time())
}

// AppendTime appends a time as a string of JSON, in UTC: with microseconds, unless they are
// 0, since most programs that write such do not know them.
func AppendTime(b []byte, t time.Time) []byte {
	var d Days
	return d.AppendTime(b, t)
}

// Days appends times. It remembers the last day, since most times are of few days. The zero
// value is ready for use.
type Days struct {
	start int64 // of the day, in seconds
	text  [len(`"0000-00-00T`)]byte
}

// daySeconds is the length of a day of UTC.
const daySeconds = 24 * 60 * 60

// AppendTime is the function of that name.
func (d *Days) AppendTime(b []byte, t time.Time) []byte {
	sec := t.Unix()
	if uint64(sec-d.start) >= daySeconds || d.text[0] == 0 {
		if sec < firstOfMarch || sec > lastDate {
			form := `"2006-01-02T15:04:05Z"`
			if t.Nanosecond() > 0 {
				form = `"2006-01-02T15:04:05.000000Z"`
			}
			return t.UTC().AppendFormat(b, form)
		}
		d.day(uint64(sec-firstOfMarch) / daySeconds)
	}
	s := uint64(sec - d.start)
	b = append(b, d.text[:]...)
	b = binary.LittleEndian.AppendUint64(b, ClockWord(s))
	if usec := uint64(t.Nanosecond()) / 1000; t.Nanosecond() > 0 {
		b = append(b, '.')
		b = binary.LittleEndian.AppendUint64(b, noFraction+two(usec/10_000)+two(usec/100%100)<<16+two(usec%100)<<32)
		return b
	}
	return append(b, 'Z', '"')
}

// day makes the day that of a number.
func (d *Days) day(n uint64) {
	d.start = firstOfMarch + int64(n)*daySeconds
	year, month, day := civil(n)
	b := append(d.text[:0], '"')
	b = appendTwo(appendTwo(b, year/100), year%100)
	b = appendTwo(append(b, '-'), month)
	b = appendTwo(append(b, '-'), day)
	_ = append(b, 'T')
}

func appendTwo(b []byte, n uint64) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// Eight characters as a number, of which two changes the digits.
const (
	zeroOClock = 0x30303a30303a3030 // 00:00:00
	noFraction = 0x225a303030303030 // 000000Z"
)

// ClockWord returns the eight characters of the time so many seconds after midnight, less than a
// day, as a number with the first in its lowest byte.
func ClockWord(s uint64) uint64 {
	return zeroOClock + two(s/3600) + two(s/60%60)<<24 + two(s%60)<<48
}

// two returns what the digits of a number add to 00.
func two(n uint64) uint64 { return uint64(pairs[n]) }

var pairs = func() (p [100]uint16) {
	for i := range p {
		p[i] = uint16(i/10 | i%10<<8)
	}
	return p
}()

// AppendUint appends a number, in fewer steps than package strconv one that is less than 1e8.
func AppendUint(b []byte, n uint64) []byte {
	if n >= 1e8 {
		return strconv.AppendUint(b, n, 10)
	}
	const zeros = 0x3030303030303030
	digits := two(n/1e6) | two(n/1e4%100)<<16 | two(n/100%100)<<32 | two(n%100)<<48
	lead := min(bits.TrailingZeros64(digits)/8, 7)
	b = binary.LittleEndian.AppendUint64(b, (digits+zeros)>>(8*lead))
	return b[:len(b)-lead]
}

// firstOfMarch is the beginning of 0000-03-01, from which civil counts: a day that is
// missing is missing at the end of a year then.
const firstOfMarch = -62162035200

// civil returns the date of a day. Package time takes three times as long, and a million
// records have three million times.
//
// Source: "Euclidean affine functions and their application to calendar algorithms", C. Neri
// and L. Schneider, 2022.
func civil(days uint64) (year, month, day uint64) {
	n := 4*days + 3
	century, n := n/146097, n%146097|3
	year = 100*century + n/1461
	m := 2141*(n%1461/4) + 197913
	month, day = m>>16, m&0xffff/2141+1
	if month > 12 {
		return year + 1, month - 12, day
	}
	return year, month, day
}

// Seconds of the first and the last date that RFC 3339 can express.
const (
	firstDate = -62167219200
	lastDate  = 253402300799
)

// dated reports whether a time can be expressed as a date.
func dated(t utmpx.Time) bool {
	return t.Sec >= firstDate && t.Sec <= lastDate && t.Usec >= 0 && t.Usec <= 999_999
}

// AppendText appends a string of a record as a further field, ",name:value". If it is not
// UTF-8, name_raw follows, with its bytes in base64, and in the text U+FFFD stands for each
// byte that is none.
func AppendText(b []byte, name, s string) []byte {
	b = append(b, ',', '"')
	b = append(append(b, name...), '"', ':')
	if Plain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	if utf8.ValidString(s) {
		return AppendString(b, s)
	}
	b = AppendString(b, lossy(s))
	return appendBytes(b, name+"_raw", s)
}

// lossy returns s with U+FFFD in the place of each byte that is not UTF-8.
func lossy(s string) string {
	var b strings.Builder
	for _, r := range s { // which yields U+FFFD for such a byte
		b.WriteRune(r)
	}
	return b.String()
}

func appendBytes(b []byte, name, s string) []byte {
	b = append(b, ',', '"')
	b = append(append(b, name...), '"', ':', '"')
	b = base64.StdEncoding.AppendEncode(b, []byte(s))
	return append(b, '"')
}

// AppendString appends s, which is UTF-8, as a string of JSON in which every character
// can be printed: all others are escapes.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	n := plain(s)
	b = append(b, s[:n]...)
	for _, r := range s[n:] {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r <= '~', r > '~' && unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		default:
			b = appendEscape(b, r)
		}
	}
	return append(b, '"')
}

// word returns eight bytes as a number.
func word(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// plainWord reports whether eight bytes stand for themselves.
func plainWord(w uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^ones*'"', w^ones*'\\'
	return (w|(w-ones*' ')|(w+ones)|(quote-ones)|(slash-ones))&high == 0
}

// Printable returns a text of JSON in which every character of a string can be printed, as in
// those of [AppendString]. It may be text itself.
func Printable(text []byte) []byte {
	from := slices.IndexFunc(text, func(c byte) bool { return c > '~' })
	if from < 0 {
		return text
	}
	b := slices.Clone(text[:from])
	for _, r := range string(text[from:]) {
		if r > '~' && !unicode.IsPrint(r) {
			b = appendEscape(b, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// Plain reports whether a text is itself in JSON, but for its quotation marks.
func Plain(s string) bool { return plain(s) == len(s) }

// plain returns how many bytes at the beginning of s stand for themselves.
func plain(s string) int {
	i := 0
	for ; len(s)-i >= 8 && plainWord(word(s[i:])); i += 8 {
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}

func appendEscape(b []byte, r rune) []byte {
	if r > 0xffff {
		r -= 0x10000
		b = appendEscape(b, 0xd800+r>>10)
		r = 0xdc00 + r&0x3ff
	}
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
