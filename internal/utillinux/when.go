// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"math"
	"math/bits"
	"strings"
	"time"
)

// dated are the forms of a time with a date, and of one today. seconds says that the form
// ends with seconds, which may have a fraction since 2.41.
var dated = []struct {
	format  string
	seconds bool
}{
	{"%y-%m-%d %H:%M:%S", true},
	{"%Y-%m-%d %H:%M:%S", true},
	{"%Y-%m-%dT%H:%M:%S", true},
	{"%y-%m-%d %H:%M", false},
	{"%Y-%m-%d %H:%M", false},
	{"%y-%m-%d", false},
	{"%Y-%m-%d", false},
	{"%H:%M:%S", true},
	{"%H:%M", false},
	{"%Y%m%d%H%M%S", true},
}

// second is the unit of time here, in microseconds. What does not fit wraps around in 2.38.
const second = uint64(1000000)

// parse reads a time as people give it in options, and returns its seconds.
func (z *zone) parse(s string, now time.Time, old bool) (sec int64, ok bool) {
	usec := uint64(now.Unix()) * second
	if !old {
		usec = uint64(now.UnixMicro())
	}
	days := map[string]int64{"yesterday": -1, "today": 0, "tomorrow": 1}
	if d, ok := days[s]; ok {
		f := z.fieldsOf(now.Unix())
		f.day += d
		f.hour, f.minute, f.sec = 0, 0, 0
		return z.resolve(f, 0)
	}
	switch {
	case s == "now":
		return int64(usec / second), true
	case strings.HasPrefix(s, "+"):
		d, ok := span(s[1:], old)
		sum, carry := bits.Add64(usec, d, 0)
		return int64(sum / second), ok && (old || carry == 0)
	case strings.HasPrefix(s, "-"):
		d, ok := span(s[1:], old)
		return before(usec, d), ok && (old || d <= usec)
	case strings.HasSuffix(s, " ago"):
		d, ok := span(strings.TrimSuffix(s, " ago"), old)
		return before(usec, d), ok && (old || d <= usec)
	case strings.HasPrefix(s, "@") && !old:
		return epoch(s[1:])
	}
	return z.parseDated(s, now, old)
}

// before returns the seconds of a time that lies so much before another. In 2.38, what is
// before 1970 is 1970. Later it is an error.
func before(usec, d uint64) int64 {
	if d > usec {
		return 0
	}
	return int64((usec - d) / second)
}

// epoch reads seconds since 1970.
func epoch(s string) (int64, bool) {
	s = strings.TrimLeft(s, spaces)
	v, n := integer(s)
	if n == 0 || v == math.MaxInt64 || v == math.MinInt64 {
		return 0, false
	}
	usec, rest, ok := fractionOf(s[n:])
	return int64((uint64(v)*second + usec) / second), ok && rest == ""
}

// fractionOf reads a fraction of a second: a period or a comma, and up to six digits.
func fractionOf(s string) (usec uint64, rest string, ok bool) {
	if s == "" || s[0] != '.' && s[0] != ',' {
		return 0, s, true
	}
	unit := second
	for s = s[1:]; s != "" && '0' <= s[0] && s[0] <= '9'; s = s[1:] {
		if unit /= 10; unit == 0 {
			return 0, s, false
		}
		usec += unit * uint64(s[0]-'0')
	}
	return usec, s, true
}

// parseDated reads a time by one of the forms, after the name of its weekday or without.
func (z *zone) parseDated(s string, now time.Time, old bool) (int64, bool) {
	weekday := -1
	if i, rest := name(s, weekdays); i >= 0 && strings.HasPrefix(rest, " ") {
		weekday, s = i, rest[1:]
	}
	for _, d := range dated {
		f := z.fieldsOf(now.Unix())
		given := fields{year: f.year, month: f.month, day: f.day}
		rest, ok := given.read(s, d.format)
		if !ok {
			continue
		}
		usec := uint64(0)
		if d.seconds && !old {
			if usec, rest, ok = fractionOf(rest); !ok {
				continue
			}
		}
		if rest != "" {
			continue
		}
		if old && strings.HasPrefix(d.format, "%Y%m") {
			given.sec = 0 // 2.38 does not take them
		}
		sec, ok := z.resolve(given, usec)
		if ok && weekday >= 0 {
			ok = weekday == int((floorDiv(given.seconds(), 86400)%7+7+4)%7)
		}
		return sec, ok
	}
	return 0, false
}

// fieldsOf returns the parts of a local time.
func (z *zone) fieldsOf(sec int64) fields {
	c := z.local(sec)
	return fields{c.year - 1900, int64(c.month), int64(c.day), int64(c.hour), int64(c.minute), int64(c.sec), c.weekday}
}

// resolve returns when the zone's clocks show a time, as mktime(3) does. If they show it
// twice, it is the one nearer to the offset that was found last, or UTC; if they skip it,
// the one that is a daylight saving time. The second before 1970 is an error to mktime's
// callers, and what is before that wraps around.
func (z *zone) resolve(f fields, usec uint64) (int64, bool) {
	want := f.seconds()
	try := want - z.guess
	last, before := try, try // the times tried before this one
	lastDaylight := false
	for {
		t := time.Unix(try, 0).In(z.loc)
		_, offset := t.Zone()
		next := want - int64(offset)
		if next == try || try == last && try != before && (t.IsDST() || !lastDaylight) {
			break
		}
		last, before, try, lastDaylight = before, try, next, t.IsDST()
	}
	z.guess = want - try
	if try == -1 {
		return 0, false
	}
	return int64((uint64(try)*second + usec) / second), true
}

// units are the units of spans of time, in microseconds.
var units = map[string]uint64{
	"us": 1, "usec": 1,
	"ms": 1000, "msec": 1000,
	"s": second, "sec": second, "second": second, "seconds": second,
	"m": 60 * second, "min": 60 * second, "minute": 60 * second, "minutes": 60 * second,
	"h": 3600 * second, "hr": 3600 * second, "hour": 3600 * second, "hours": 3600 * second,
	"d": 86400 * second, "day": 86400 * second, "days": 86400 * second,
	"w": 7 * 86400 * second, "week": 7 * 86400 * second, "weeks": 7 * 86400 * second,
	"month": 2629800 * second, "months": 2629800 * second,
	"y": 31557600 * second, "year": 31557600 * second, "years": 31557600 * second,
}

// span reads a span of time such as 1h 30min or 1.5days.
func span(s string, old bool) (usec uint64, ok bool) {
	for {
		if s = strings.TrimLeft(s, spaces); s == "" {
			return usec, ok
		}
		whole, n := integer(s)
		if n == 0 && !strings.HasPrefix(s, ".") || whole < 0 || whole == math.MaxInt64 && !old {
			return 0, false
		}
		s = s[n:]
		var digits string // behind a point, with white space and a sign before them
		if rest, ok := strings.CutPrefix(s, "."); ok {
			blank := len(rest) - len(strings.TrimLeft(rest, spaces))
			v, n := integer(rest[blank:])
			if n == 0 || v < 0 {
				return 0, false
			}
			digits, s = rest[:blank+n], rest[blank+n:]
		}
		unit, n := unitOf(strings.TrimLeft(s, spaces))
		if n == 0 {
			return 0, false
		}
		s = strings.TrimLeft(s, spaces)[n:]
		usec += uint64(whole)*unit + part(digits, unit)
		ok = true
	}
}

// unitOf returns the unit that s begins with, the longest, and the length of its name.
func unitOf(s string) (unit uint64, n int) {
	for name, u := range units {
		if len(name) > n && strings.HasPrefix(s, name) {
			unit, n = u, len(name)
		}
	}
	return unit, n
}

// part returns the part of a unit that digits after a point are. White space counts as
// digits, as in util-linux.
func part(digits string, unit uint64) uint64 {
	v, n := integer(strings.TrimLeft(digits, spaces))
	if n == 0 {
		return 0
	}
	p := uint64(v) * unit
	for range digits {
		p /= 10
	}
	return p
}
