// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// zone is the time zone, as the C library takes it from TZ. It remembers the span of time
// and the day that it was last asked for, since records come in their order.
type zone struct {
	loc  *time.Location
	rule bool // loc is not of a file

	since, until int64 // the span in which offset is right
	offset       int64 // east of UTC, in seconds

	day  int64  // since 1970, local
	date civil  // of the day
	name []byte // of the day: "Sat Nov 28 "

	guess int64 // of the offset, for the next time that is read
}

// load takes the zone that TZ names: a file of the zone database, or a rule such as
// CET-1CEST,M3.5.0,M10.5.0/3. Without TZ it is the machine's. What is neither is UTC.
func (z *zone) load(getenv func(string) string) {
	z.since, z.until = 1, 0 // nothing is remembered
	z.loc = time.UTC
	tz := strings.TrimPrefix(getenv("TZ"), ":")
	dir := getenv("TZDIR")
	if dir == "" {
		dir = "/usr/share/zoneinfo"
	}
	file := tz
	switch {
	case getenv("TZ") == "":
		file = "/etc/localtime"
	case !filepath.IsAbs(tz):
		file = filepath.Join(dir, tz)
	}
	loc := zoneOf(file)
	if loc == nil {
		z.rule = true
		loc, _ = time.LoadLocationFromTZData(tz, ruleData(tz))
		// Where a rule such as EST5EDT has no dates, the C library takes them from a file.
		if file := zoneOf(filepath.Join(dir, "posixrules")); file != nil && !strings.Contains(tz, ",") && similar(loc, file) {
			loc, z.rule = file, false
		}
	}
	if loc != nil {
		z.loc = loc
	}
}

// zoneOf returns the zone in a file of the database, nil if it has none.
func zoneOf(file string) *time.Location {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	loc, err := time.LoadLocationFromTZData(file, data)
	if err != nil {
		return nil
	}
	return loc
}

// similar reports whether two zones have the same offsets in winter and in summer.
func similar(a, b *time.Location) bool {
	if a == nil {
		return false
	}
	for _, t := range []time.Time{time.Unix(1704067200, 0), time.Unix(1720000000, 0)} {
		_, of := t.In(a).Zone()
		if _, other := t.In(b).Zone(); of != other {
			return false
		}
	}
	return true
}

// ruleData returns a file of the zone database, of version 2, that has nothing but a
// rule, and UTC before it.
func ruleData(rule string) []byte {
	header := func(b []byte) []byte {
		b = append(b, "TZif2"...)
		b = append(b, make([]byte, 15)...)
		for _, count := range []uint32{0, 0, 0, 0, 1, 4} { // of these, one type and its name
			b = binary.BigEndian.AppendUint32(b, count)
		}
		b = append(b, 0, 0, 0, 0, 0, 0)
		return append(b, "UTC\x00"...)
	}
	return append(header(header(nil)), "\n"+rule+"\n"...)
}

// local returns a time as the zone's clocks show it.
func (z *zone) local(sec int64) *civil {
	if sec < z.since || sec >= z.until {
		z.span(sec)
	}
	sec += z.offset
	if z.name == nil || sec < z.day*86400 || sec >= (z.day+1)*86400 {
		z.day = floorDiv(sec, 86400)
		z.date = civilDay(z.day)
		z.name = z.date.appendDay(z.name[:0])
	}
	z.date.clock(int(sec - z.day*86400))
	return &z.date
}

// span finds the offset at a time, and from when until when it is the same.
func (z *zone) span(sec int64) {
	if z.rule && sec < 0 {
		// The C library applies rules from 1970 on.
		z.span(0)
		z.since, z.until = math.MinInt64, 0
		return
	}
	t := time.Unix(sec, 0).In(z.loc)
	since, until := t.ZoneBounds()
	z.since, z.until = math.MinInt64, math.MaxInt64
	if !since.IsZero() {
		z.since = since.Unix()
	}
	if !until.IsZero() {
		z.until = until.Unix()
	}
	_, offset := t.Zone()
	z.offset = int64(offset)
}

// appendTime appends the time of a login.
func (z *zone) appendTime(b []byte, sec int64, format timeFormat) []byte {
	switch format {
	case shortTime:
		c := z.local(sec)
		return c.appendMinute(append(b, z.name...))
	case fullTime:
		c := z.local(sec)
		b = c.appendClock(append(b, z.name...))
		return c.appendYear(b)
	case isoTime:
		b = z.local(sec).appendISO(b)
		sign, offset := byte('+'), z.offset
		if offset <= -3600 {
			sign = '-' // util-linux has none for less than an hour
		}
		offset = max(offset, -offset)
		b = appendTwo(append(b, sign), int(offset/3600))
		return appendTwo(append(b, ':'), int(offset/60%60))
	}
	return b
}

// appendEnd appends the time of a logout, which has no date in short.
func (z *zone) appendEnd(b []byte, sec int64, format timeFormat) []byte {
	if format != shortTime {
		return z.appendTime(b, sec, format)
	}
	// Without the day, so that the one of the logins stays remembered.
	if sec < z.since || sec >= z.until {
		z.span(sec)
	}
	sec += z.offset
	minute := int(sec-floorDiv(sec, 86400)*86400) / 60
	return appendTwo(append(appendTwo(b, minute/60), ':'), minute%60)
}
