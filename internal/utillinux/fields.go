// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import "strings"

// fields are the parts of a time as a person writes it. What is not written is zero.
type fields struct {
	year, month, day  int64 // year since 1900, month from 0
	hour, minute, sec int64
	weekday           int
}

var (
	weekdays = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
	months   = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
)

// read reads s as strptime(3) does in the C locale, with the directives that occur here.
// It returns what is left of s. If s does not fit, ok is false, and the parts before the
// one that does not fit have been read.
func (f *fields) read(s, format string) (rest string, ok bool) {
	for i := 0; i < len(format); i++ {
		switch c := format[i]; {
		case c == '%':
			i++
			s, ok = f.directive(s, format[i])
		case c == ' ':
			s, ok = strings.TrimLeft(s, spaces), true
		default:
			s, ok = strings.CutPrefix(s, string(c))
		}
		if !ok {
			return s, false
		}
	}
	return s, true
}

func (f *fields) directive(s string, c byte) (rest string, ok bool) {
	number := func(to *int64, least, most, digits, base int64) (string, bool) {
		v, rest, ok := shortNumber(s, least, most, digits)
		if ok {
			*to = v + base
		}
		return rest, ok
	}
	switch c {
	case 'Y':
		return number(&f.year, 0, 9999, 4, -1900)
	case 'y':
		if s, ok = number(&f.year, 0, 99, 2, 0); ok && f.year < 69 {
			f.year += 100
		}
		return s, ok
	case 'm':
		return number(&f.month, 1, 12, 2, -1)
	case 'd':
		return number(&f.day, 1, 31, 2, 0)
	case 'H':
		return number(&f.hour, 0, 23, 2, 0)
	case 'M':
		return number(&f.minute, 0, 59, 2, 0)
	case 'S':
		return number(&f.sec, 0, 61, 2, 0)
	case 'a':
		i, rest := name(s, weekdays)
		if i >= 0 {
			f.weekday = i
		}
		return rest, i >= 0
	case 'b':
		i, rest := name(s, months)
		if i >= 0 {
			f.month = int64(i)
		}
		return rest, i >= 0
	}
	panic("no directive %" + string(c))
}

// shortNumber reads a number of so many digits at most. It stops before a digit that
// would surely make it too large.
func shortNumber(s string, least, most, digits int64) (v int64, rest string, ok bool) {
	s = strings.TrimLeft(s, spaces)
	n := 0
	for n < len(s) && int64(n) < digits && '0' <= s[n] && s[n] <= '9' && (n == 0 || v*10 <= most) {
		v = v*10 + int64(s[n]-'0')
		n++
	}
	return v, s[n:], n > 0 && least <= v && v <= most
}

// name finds which of the names, or their first three letters, s begins with.
func name(s string, names []string) (i int, rest string) {
	for i, n := range names {
		for _, n := range []string{n, n[:3]} {
			if len(s) >= len(n) && strings.EqualFold(s[:len(n)], n) {
				return i, s[len(n):]
			}
		}
	}
	return -1, s
}

// seconds returns the time in seconds, in UTC. Parts that are too large count on, as the
// 31st of February does.
func (f *fields) seconds() int64 {
	return daysBefore(f.year+1900, f.month, f.day)*86400 + f.hour*3600 + f.minute*60 + f.sec
}

// daysBefore returns the days from 1970 to a day. The month counts from 0 and may be any
// of the year's, the day any.
func daysBefore(year, month, day int64) int64 {
	// Years begin in March here, so that a leap day is the last of its year.
	if month < 2 {
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	ofEra := year - era*400
	return era*146097 + ofEra*365 + ofEra/4 - ofEra/100 + (153*(month-2)+2)/5 + day - 1 - 719468
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
