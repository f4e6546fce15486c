// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import "strconv"

// civil is a time as a calendar and a clock show it.
type civil struct {
	year              int64
	month, day        int // the month from 0, the day from 1
	weekday           int
	hour, minute, sec int
}

// civilDay returns the beginning of a day, which is given in days since 1970.
func civilDay(days int64) civil {
	weekday := (days%7 + 7 + 4) % 7 // 1970 began on a Thursday
	days += 719468                  // now since March 1st of the year 0
	era := floorDiv(days, 146097)
	ofEra := days - era*146097
	year := (ofEra - ofEra/1460 + ofEra/36524 - ofEra/146096) / 365
	ofYear := ofEra - (365*year + year/4 - year/100)
	month := (5*ofYear + 2) / 153 // from March
	c := civil{
		year:    year + era*400,
		month:   int(month) + 2,
		day:     int(ofYear-(153*month+2)/5) + 1,
		weekday: int(weekday),
	}
	if c.month > 11 {
		c.month -= 12
		c.year++
	}
	return c
}

// clock sets the time of the day.
func (c *civil) clock(sec int) {
	c.hour, c.minute, c.sec = sec/3600, sec/60%60, sec%60
}

// appendISO appends 2026-11-28T17:13:09.
func (c *civil) appendISO(b []byte) []byte { return c.appendClock(c.appendDate(b)) }

// appendDate appends 2026-11-28T.
func (c *civil) appendDate(b []byte) []byte {
	if 0 <= c.year && c.year <= 9999 {
		b = appendTwo(b, int(c.year/100))
		b = appendTwo(b, int(c.year%100))
	} else {
		b = appendPadded(b, c.year, 4)
	}
	b = appendTwo(append(b, '-'), c.month+1)
	b = appendTwo(append(b, '-'), c.day)
	return append(b, 'T')
}

// appendDay appends "Sat Nov 28 ".
func (c *civil) appendDay(b []byte) []byte {
	b = append(b, weekdays[c.weekday][:3]...)
	b = append(b, ' ')
	b = append(b, months[c.month][:3]...)
	b = append(b, ' ')
	if c.day < 10 {
		b = append(b, ' ', byte('0'+c.day))
	} else {
		b = appendTwo(b, c.day)
	}
	return append(b, ' ')
}

// appendClock appends 17:13:09.
func (c *civil) appendClock(b []byte) []byte {
	b = c.appendMinute(b)
	return appendTwo(append(b, ':'), c.sec)
}

// appendMinute appends 17:13.
func (c *civil) appendMinute(b []byte) []byte {
	b = appendTwo(b, c.hour)
	return appendTwo(append(b, ':'), c.minute)
}

// appendYear appends " 2026".
func (c *civil) appendYear(b []byte) []byte {
	return strconv.AppendInt(append(b, ' '), c.year, 10)
}

// appendTwo appends a number of two digits.
func appendTwo(b []byte, v int) []byte { return append(b, byte('0'+v/10), byte('0'+v%10)) }
