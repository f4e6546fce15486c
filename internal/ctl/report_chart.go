// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"math"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/moments"
)

// steps is into how many steps the time of a report is divided where it is drawn. A picture
// has no more parts, however many sessions there are.
const steps = 1000

// chart is the time that a report draws.
type chart struct{ since, until time.Time }

// step returns how long one step is.
func (c chart) step() time.Duration { return c.until.Sub(c.since) / steps }

// place returns where a moment is, from 0 to steps.
func (c chart) place(t time.Time) float64 {
	whole := seconds64(c.until, c.since)
	if whole <= 0 {
		return 0
	}
	return max(0, min(steps, steps*seconds64(t, c.since)/whole))
}

// seconds64 returns the seconds from a moment to a later one, however far apart.
func seconds64(t, from time.Time) float64 {
	return float64(t.Unix()-from.Unix()) + float64(t.Nanosecond()-from.Nanosecond())/1e9
}

// reach returns the steps from a moment to another one, the last one excluded: one at least.
func (c chart) reach(from, to time.Time) (first, end int) {
	first = min(int(c.place(from)), steps-1)
	return first, max(first+1, int(math.Ceil(c.place(to))))
}

// marks is a set of steps.
type marks [(steps + 63) / 64]uint64

func (m *marks) set(first, end int) {
	for i := first; i < end; i++ {
		m[i/64] |= 1 << (i % 64)
	}
}

func (m *marks) has(i int) bool { return m[i/64]>>(i%64)&1 != 0 }

// without returns the steps that other lacks.
func (m *marks) without(other *marks) (rest marks) {
	for i := range m {
		rest[i] = m[i] &^ other[i]
	}
	return rest
}

// path returns the steps as bars in a drawing, from a height to a lower one.
func (m *marks) path(from, to int) string {
	var b strings.Builder
	for i := 0; i < steps; i++ {
		if !m.has(i) {
			continue
		}
		first := i
		for i < steps && m.has(i) {
			i++
		}
		fmt.Fprintf(&b, "M%d %dh%dv%dh-%dz", first, from, i-first, to-from, i-first)
	}
	return b.String()
}

// strip is when somebody was on.
type strip struct{ on, perhaps marks }

func (c chart) draw(s *strip, from, sure, perhaps time.Time, ok bool) {
	if ok {
		s.on.set(c.reach(from, sure))
	}
	if !ok || perhaps.After(sure) {
		s.perhaps.set(c.reach(sure, perhaps))
	}
}

// atOnce counts how many sessions were on in each step.
type atOnce [steps + 1]int32

func (c *atOnce) add(first, end int) { c[first]++; c[end]-- }

// counts returns the number in each step, and the highest with its step.
func (c *atOnce) counts() (all [steps]int32, most int32, when int) {
	var n int32
	for i := range all {
		n += c[i]
		if all[i] = n; n > most {
			most, when = n, i
		}
	}
	return all, most, when
}

// path returns the outline of the counts in a drawing that is so high, and that so many fill.
func (c *atOnce) path(high float64, most int32) string {
	all, any, _ := c.counts()
	if any == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "M0 %g", high)
	last := int32(0)
	for i, n := range all {
		if n != last {
			fmt.Fprintf(&b, "H%dV%.4g", i, high*(1-float64(n)/float64(most)))
			last = n
		}
	}
	fmt.Fprintf(&b, "H%dV%gz", steps, high)
	return b.String()
}

// uptimes is when the system was up and down, and when neither is known.
type uptimes struct {
	up, down, unknown marks
	starts            marks
	crashes           marks
}

func (c chart) drawBoots(ps []boots.Period, sum boots.Sum) (u uptimes) {
	within := func(m *marks, from, to time.Time) {
		if from.Before(to) && to.After(c.since) && from.Before(c.until) {
			m.set(c.reach(from, to))
		}
	}
	var covered marks
	within(&covered, sum.From, sum.To)
	for i := range ps {
		p := &ps[i]
		if p.UpKnown {
			within(&u.up, p.To.Add(-p.UpFor), p.To)
		}
		if !p.From.Before(c.since) && p.From.Before(c.until) {
			u.starts.set(c.reach(p.From, p.From))
		}
		if p.End == boots.Crashed && !p.To.Before(c.since) {
			u.crashes.set(c.reach(p.To, p.To))
		}
		if p.Follows && p.DownKnown && !downMost(*p) {
			from := p.To
			if from.Before(c.since) {
				from = c.since
			}
			to := from.Add(p.DownFor)
			if p.End == boots.Crashed {
				from = from.Add(min(p.Exact.Within, p.DownFor))
			}
			within(&u.down, from, to)
		}
	}
	u.unknown = covered.without(&u.up)
	u.unknown = u.unknown.without(&u.down)
	return u
}

// tick is a moment that a line of time names.
type tick struct {
	at    time.Time
	label string
}

// mostTicks is how many moments a line of time names at most.
const mostTicks = 8

// ticks returns round moments of a chart, in local time.
func (c chart) ticks() []tick {
	days := func(n int) func(time.Time) time.Time {
		return func(t time.Time) time.Time { return t.AddDate(0, 0, n) }
	}
	months := func(n int) func(time.Time) time.Time {
		return func(t time.Time) time.Time { return t.AddDate(0, n, 0) }
	}
	later := func(d time.Duration) func(time.Time) time.Time {
		return func(t time.Time) time.Time { return t.Add(d) }
	}
	from := c.since.Local()
	midnight := moments.StartOf(from)
	first := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, from.Location())
	year := time.Date(from.Year(), 1, 1, 0, 0, 0, 0, from.Location())
	hour := from.Truncate(time.Hour)
	for _, by := range []struct {
		start time.Time
		next  func(time.Time) time.Time
		form  string
	}{
		{hour, later(time.Minute), "15:04"}, {hour, later(5 * time.Minute), "15:04"}, {hour, later(15 * time.Minute), "15:04"},
		{midnight, later(time.Hour), "15:04"}, {midnight, later(3 * time.Hour), "15:04"}, {midnight, later(6 * time.Hour), "15:04"},
		{midnight, days(1), "01-02"}, {midnight, days(2), "01-02"}, {midnight, days(7), "01-02"},
		{first, months(1), "2006-01"}, {year, months(3), "2006-01"}, {year, months(6), "2006-01"},
		{year, months(12), "2006"}, {year, months(60), "2006"}, {year, months(240), "2006"},
	} {
		if all, ok := c.every(by.start, by.next, by.form); ok {
			return all
		}
	}
	return nil
}

// every returns the ticks that follow each other, unless they are too many.
func (c chart) every(start time.Time, next func(time.Time) time.Time, form string) (all []tick, ok bool) {
	tries := 0
	for t := start; t.Before(c.until); t = next(t) {
		if tries++; tries > 30*mostTicks || len(all) > mostTicks {
			return nil, false
		}
		if t.Before(c.since) {
			continue
		}
		label := t.Format(form)
		if form == "15:04" && t.Equal(moments.StartOf(t)) {
			label = t.Format("01-02")
		}
		all = append(all, tick{t, label})
	}
	return all, len(all) <= mostTicks
}

// calendar divides the time of a report into days; if they are many, into months or years.
type calendar struct {
	begins []time.Time
	form   string // of a label
	unit   string
}

// mostDays is how many rows a calendar may have before it has longer ones.
const mostDays = 100

func (c chart) calendar() calendar {
	from := c.since.Local()
	month := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, from.Location())
	year := time.Date(from.Year(), 1, 1, 0, 0, 0, 0, from.Location())
	for _, by := range []struct {
		start               time.Time
		years, months, days int
		form, unit          string
	}{
		{moments.StartOf(from), 0, 0, 1, "2006-01-02, Monday", "day"},
		{month, 0, 1, 0, "2006-01", "month"},
		{year, 1, 0, 0, "2006", "year"},
		{year, 10, 0, 0, "from 2006", "ten years"},
	} {
		k := calendar{form: by.form, unit: by.unit}
		for t := by.start; t.Before(c.until) && len(k.begins) <= mostDays; t = t.AddDate(by.years, by.months, by.days) {
			k.begins = append(k.begins, t)
		}
		if len(k.begins) <= mostDays || by.years == 10 {
			return k
		}
	}
	panic("unreachable")
}

// rows returns the rows in which a time lies, the last one excluded.
func (k *calendar) rows(from, to time.Time) (first, end int) {
	for first = len(k.begins) - 1; first > 0 && k.begins[first].After(from); first-- {
	}
	for end = first + 1; end < len(k.begins) && k.begins[end].Before(to); end++ {
	}
	return max(first, 0), min(end, len(k.begins))
}
