// SPDX-License-Identifier: BSD-2-Clause

// Package moments parses times as people type them. It does no I/O.
package moments

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/olebedev/when/rules"
	"github.com/olebedev/when/rules/en"
)

// Help is what a command that takes times says about them.
const Help = `T is a time: 2026-07-01, "2026-07-01 12:30", 24.11.2026, 03:00,
yesterday, "yesterday 03:00", tuesday, "this month", "2 hours ago", 12h.`

// Words are those of which times are made, for who asks what was meant by another one.
var Words = []string{"yesterday", "today", "now", "midnight", "noon", "monday", "tuesday", "wednesday", "thursday", "friday",
	"saturday", "sunday", "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
	"november", "december", "last", "this", "ago", "second", "seconds", "minute", "minutes", "hour", "hours", "day", "days",
	"week", "weeks", "month", "months", "year", "years", "at", "am", "pm", "morning", "afternoon", "evening"}

// dates are the forms of a day, local.
var dates = []string{"2006-01-02", "2.1.2006", "20060102", "2 January 2006", "2 Jan 2006", "January 2 2006", "Jan 2 2006",
	"January 2, 2006", "Jan 2, 2006"}

// days are the forms of a day without its year. The parser of what people say would read
// "24 november 03:00" as the third of November.
var days = []string{"2 January", "2 Jan", "January 2", "Jan 2"}

// ordinal is the day of a month, with its ending.
var ordinal = regexp.MustCompile(`\b([0-9]{1,2})(st|nd|rd|th)\b`)

// clocks are the forms of a time of day; with a day, they follow it after a blank or a T.
var clocks = []string{"15:04", "15:04:05"}

// Parse parses a moment that is not after now, unless it says so itself: a day (its
// beginning), a day with a time of day, a time of day (the last one), all local; a time
// in RFC 3339; a duration before now; and what people say, such as "yesterday 03:00". ""
// is the zero time.
func Parse(s string, now time.Time) (time.Time, error) {
	if s = strings.TrimSpace(s); s == "" {
		return time.Time{}, nil
	}
	said := s
	s = amPM.ReplaceAllStringFunc(s, of24)
	if t, ok := exactTime(s, now); ok {
		return t, nil
	}
	if t, err, ok := ago(s, now); ok {
		return t, err
	}
	if t, err, ok := longAgo(s, now); ok {
		return t, err
	}
	if t, ok := period(strings.ToLower(s), now); ok {
		return t, nil
	}
	if t, ok := spoken(s, now); ok {
		return t, nil
	}
	return time.Time{}, fmt.Errorf(`%q is not a time; such are 2026-07-01, "2026-07-01 12:30", "yesterday 03:00", "2 hours ago"`, said)
}

// amPM is a time of day of twelve hours.
var amPM = regexp.MustCompile(`(?i)\b(0?[1-9]|1[0-2])(:[0-5][0-9])? ?(am|pm)\b`)

// of24 writes such a time in 24 hours. The parser of what people say takes 12am for noon.
func of24(clock string) string {
	m := amPM.FindStringSubmatch(strings.ToLower(clock))
	hour, _ := strconv.Atoi(m[1]) // it has two digits at most
	if hour %= 12; m[3] == "pm" {
		hour += 12
	}
	if m[2] == "" {
		m[2] = ":00"
	}
	return fmt.Sprintf("%02d%s", hour, m[2])
}

// Continued returns those of the arguments that make a time of a value with them behind it,
// such as the 03:00 of `-at yesterday 03:00`, which lacks its quotes; "" if none do.
func Continued(v string, args []string) string {
	const words = 3 // of "2 hours ago"
	for i := range args {
		for j := min(i+words, len(args)); j > i; j-- {
			more := strings.Join(args[i:j], " ")
			if _, err := Parse(v+" "+more, time.Now()); err == nil {
				return more
			}
		}
	}
	return ""
}

// exactTime parses a time that is written in numbers.
func exactTime(s string, now time.Time) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, true
	}
	if t, ok := onDay(dates, s, now.Location()); ok {
		return t, true
	}
	s = ordinal.ReplaceAllString(s, "$1")
	const leap = 8 // years at most from one 29 February to the next
	for year := now.Year(); year >= now.Year()-leap; year-- {
		var forms []string
		for _, day := range days {
			forms = append(forms, "2006 "+day)
		}
		if t, ok := onDay(forms, fmt.Sprintf("%04d %s", year, s), now.Location()); ok && !t.After(now) {
			return t, true
		}
	}
	for _, clock := range clocks {
		if t, err := time.Parse(clock, s); err == nil {
			return last(t, now), true
		}
	}
	return time.Time{}, false
}

// onDay parses a day of one of the forms, alone or with a time of day.
func onDay(dates []string, s string, zone *time.Location) (time.Time, bool) {
	for _, date := range dates {
		forms := []string{date}
		for _, clock := range clocks {
			forms = append(forms, date+" "+clock, date+"T"+clock, date+" at "+clock)
		}
		for _, form := range forms {
			if t, err := time.ParseInLocation(form, s, zone); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// last returns the last moment up to now with a time of day.
func last(clock, now time.Time) time.Time {
	t := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, now.Location())
	if t.After(now) {
		t = t.AddDate(0, 0, -1)
	}
	return t
}

// ago parses a duration before now, such as 30d.
func ago(s string, now time.Time) (t time.Time, err error, ok bool) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	unit := units[s[len(s)-1]]
	n, err := strconv.ParseUint(strings.TrimPrefix(s[:len(s)-1], "-"), 10, 20)
	if unit == 0 || err != nil {
		return t, nil, false
	}
	d := time.Duration(n) * unit
	if d/unit != time.Duration(n) {
		return t, fmt.Errorf("%q is too long ago", s), true
	}
	return now.Add(-d), nil, true
}

// agoForm is how people say how long ago something was. The parser for the rest has no
// bounds for it, and takes 24 months for 12.
var agoForm = regexp.MustCompile(`^([0-9]+) *(second|sec|minute|min|hour|day|week|month|year)s? +ago$`)

// longAgo parses a number of seconds, hours, months or the like ago.
func longAgo(s string, now time.Time) (t time.Time, err error, ok bool) {
	m := agoForm.FindStringSubmatch(strings.ToLower(s))
	if m == nil {
		return t, nil, false
	}
	n, err := strconv.ParseUint(m[1], 10, 31)
	units := map[string]time.Duration{"sec": time.Second, "min": time.Minute, "hou": time.Hour, "day": 24 * time.Hour, "wee": 7 * 24 * time.Hour}
	unit := units[m[2][:3]]
	switch count := int(n); {
	case err != nil:
	case unit != 0 && n <= uint64(math.MaxInt64/unit):
		t = now.Add(-time.Duration(n) * unit)
	case m[2] == "month":
		t = now.AddDate(0, -count, 0)
	case m[2] == "year":
		t = now.AddDate(-count, 0, 0)
	}
	if t.Year() < 1970 {
		return time.Time{}, fmt.Errorf("%q is too long ago", s), true
	}
	return t, nil, true
}

// period parses a week, a month or a year, and means its beginning. A month is the last one
// of that name, unless its year follows.
func period(said string, now time.Time) (time.Time, bool) {
	monday := -(int(now.Weekday()) + 6) % 7
	begin := func(year int, month time.Month, day int) (time.Time, bool) {
		return time.Date(year, month, day, 0, 0, 0, 0, now.Location()), true
	}
	switch said {
	case "this week":
		return begin(now.Year(), now.Month(), now.Day()+monday)
	case "last week":
		return begin(now.Year(), now.Month(), now.Day()+monday-7)
	case "this month":
		return begin(now.Year(), now.Month(), 1)
	case "last month":
		return begin(now.Year(), now.Month()-1, 1)
	case "this year":
		return begin(now.Year(), 1, 1)
	case "last year":
		return begin(now.Year()-1, 1, 1)
	}
	for _, form := range []string{"January 2006", "Jan 2006"} {
		if t, err := time.Parse(form, said); err == nil {
			return begin(t.Year(), t.Month(), 1)
		}
	}
	for _, form := range []string{"January", "Jan"} {
		if t, err := time.Parse(form, said); err == nil {
			year := now.Year()
			if t.Month() > now.Month() {
				year--
			}
			return begin(year, t.Month(), 1)
		}
	}
	return time.Time{}, false
}

// spoken parses what people say. A day alone means its beginning, and a day of the week
// the last one.
func spoken(s string, now time.Time) (time.Time, bool) {
	switch strings.ToLower(s) {
	case "midnight":
		return StartOf(now), true
	case "noon":
		return last(time.Date(0, 1, 1, 12, 0, 0, 0, time.UTC), now), true
	}
	said := strings.ToLower(s)
	if strings.Contains(said, " ago ") || forward.MatchString(said) {
		return time.Time{}, false // the parser takes them for something else
	}
	if numbers.MatchString(said) {
		return time.Time{}, false // exactTime would know it
	}
	exact := strings.HasSuffix(said, "ago") || said == "now"
	present := now
	if !exact {
		// Where no time of day is said, the parser keeps that of its present.
		now = StartOf(now).Add(unsaid)
	}
	t, ok := entirely(s, now)
	if m := month.FindString(said); !ok || m != "" && !strings.HasPrefix(strings.ToLower(t.Month().String()), m[:3]) {
		return time.Time{}, false // the parser takes the 30th of February for one of March
	}
	switch day := StartOf(t); {
	case exact:
	case t.Sub(day) == unsaid:
		t = day
	default:
		t = t.Truncate(time.Minute)
		if later, _ := entirely(s, now.Add(time.Minute)); later.Minute() != t.Minute() {
			t = t.Add(-time.Duration(t.Minute()) * time.Minute) // the hour alone was said
		}
	}
	return passed(t, said, present), true
}

// passed takes back a time that is yet to come, unless its words say that, to the last one
// that they may mean.
func passed(t time.Time, said string, now time.Time) time.Time {
	for t.After(now) && !ahead.MatchString(said) {
		switch {
		case month.MatchString(said):
			t = t.AddDate(-1, 0, 0)
		case weekday(said):
			t = t.AddDate(0, 0, -7)
		default:
			t = t.AddDate(0, 0, -1)
		}
	}
	return t
}

// ahead is what names a day that may be yet to come.
var ahead = regexp.MustCompile(`\b(this|next|today|tonight|tomorrow)\b`)

// numbers are a month between two of them, of which the parser takes the second for the day.
var numbers = regexp.MustCompile(`[0-9] *(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* +[0-9]`)

// month is the name of a month.
var month = regexp.MustCompile(`\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b`)

// forward is how people say how long they will wait.
var forward = regexp.MustCompile(`\b(in|within)\b`)

// entirely parses a text that is a time as a whole, by the rules of package when for English.
// when.Parser would do the same. It is not used because its package also compiles the rules
// of three other languages at each start, which takes longer than all that utmpctl needs.
func entirely(s string, now time.Time) (time.Time, bool) {
	var found []*rules.Match // in the order of their rules, which is that of their application
	for _, rule := range en.All {
		if m := rule.Find(s); m != nil {
			found = append(found, m)
		}
	}
	if !covers(found, s) {
		return time.Time{}, false
	}
	ctx := &rules.Context{Text: s}
	options := &rules.Options{Distance: distance, MatchByOrder: true}
	applied := false
	for _, m := range found {
		ok, err := m.Apply(ctx, options, now)
		if err != nil {
			return time.Time{}, false
		}
		applied = applied || ok
	}
	t, err := ctx.Time(now)
	return t, applied && err == nil
}

// distance is how many bytes may be between two parts of a time, such as "at".
const distance = 5

// covers reports whether the matches are parts of one time that is all of the text.
func covers(found []*rules.Match, s string) bool {
	byPlace := slices.SortedStableFunc(slices.Values(found), func(a, b *rules.Match) int { return a.Left - b.Left })
	end := 0
	for i, m := range byPlace {
		if i == 0 && m.Left > 0 || m.Left > end+distance {
			return false
		}
		end = m.Right
	}
	return len(found) > 0 && end == len(s)
}

// unsaid is a time of day that nobody says.
const unsaid = time.Hour + 2*time.Minute + 3*time.Second + 4*time.Nanosecond

// StartOf returns the beginning of a day.
func StartOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// weekday reports whether a phrase begins with a day of the week.
func weekday(said string) bool {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.HasPrefix(said, strings.ToLower(d.String()[:3])) {
			return true
		}
	}
	return false
}
