// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"slices"
	"time"
)

// Period is one boot as far as it lies in a stretch of time.
type Period struct {
	Boot
	Running bool          // it is the present one
	UpFor   time.Duration // at least, where the end is not exact
	UpKnown bool
	// DownFor is the time until the next boot, if one Follows: at most, where the end is not exact.
	// It is unknown for the last one, and where the clocks do not tell.
	DownFor   time.Duration
	DownKnown bool
	Follows   bool
}

// Sum adds up a stretch of time. What is neither surely up nor surely down is
// unknown: the end of a crash that is not exact, and what the clocks do not tell.
type Sum struct {
	From, To          time.Time
	Up, Down, Unknown time.Duration
	Boots             int
	Crashes           int
}

// Availability returns the part of the time that the system was up: it lies
// between least and most. ok is false for no time at all.
func (s Sum) Availability() (least, most float64, ok bool) {
	all := s.Up + s.Down + s.Unknown
	if all <= 0 {
		return 0, 0, false
	}
	return float64(s.Up) / float64(all), float64(s.Up+s.Unknown) / float64(all), true
}

// Present describes the boot in which this is asked. A log of another machine has
// none.
type Present struct {
	Is     func(Boot) bool
	Now    time.Time
	Uptime time.Duration
}

// Periods returns the boots between since and until, either of which may be zero,
// and their sum.
func Periods(all []Boot, since, until time.Time, present *Present) ([]Period, Sum) {
	ps := make([]Period, len(all))
	for i, b := range all {
		p := Period{Boot: b}
		if p.End == Open && present != nil && i == len(all)-1 && present.Is(b) {
			p.Running, p.To = true, present.Now
		}
		p.UpFor, p.UpKnown = p.Up()
		if i > 0 && p.overlaps(all[i-1]) {
			p.UpFor, p.UpKnown = 0, false
		}
		if p.Running && !p.UpKnown {
			p.UpFor, p.UpKnown = present.Uptime, true
		}
		if i+1 < len(all) {
			p.Follows = true
			p.DownFor, p.DownKnown = b.Down(all[i+1])
		}
		ps[i] = p
	}
	w := window(ps, since, until)
	ps = slices.DeleteFunc(ps, func(p Period) bool {
		return w.To.Before(w.From) || p.To.Add(p.DownFor).Before(w.From) || p.From.After(w.To) && p.To.After(w.To)
	})
	for _, p := range ps {
		w.add(p)
	}
	// What no clock tells of.
	w.Unknown += max(0, w.To.Sub(w.From)-w.Up-w.Down-w.Unknown)
	return ps, w.Sum
}

// windowed is a sum over the time between From and To.
type windowed struct{ Sum }

// overlaps reports whether p began before the boot before it had ended. One of
// them had a clock that was behind or ahead, and that was set since: what it shows
// is not for how long p was up.
func (p Period) overlaps(before Boot) bool {
	from := p.From.Add(p.stepped)
	return from.Before(before.To.Add(-sameMoment)) && p.To.After(before.From.Add(before.stepped))
}

// window is the stretch of time that the boots cover, cut to since and until.
func window(ps []Period, since, until time.Time) *windowed {
	w := &windowed{}
	for _, p := range ps {
		from := p.To
		if p.UpKnown {
			from = p.To.Add(-p.UpFor) // which is not From if the clock was set since
		}
		if w.From.IsZero() || from.Before(w.From) {
			w.From = from
		}
		if p.To.After(w.To) {
			w.To = p.To
		}
	}
	if since.After(w.From) {
		w.From = since
	}
	if !until.IsZero() && until.Before(w.To) {
		w.To = until
	}
	return w
}

// add adds a period, and the time behind it up to the next.
func (w *windowed) add(p Period) {
	if !p.To.Before(w.From) {
		w.Boots++
		if p.End == Crashed && !p.To.After(w.To) {
			w.Crashes++
		}
	}
	if p.UpKnown {
		w.Up += w.part(p.To.Add(-p.UpFor), p.To)
	}
	if !p.DownKnown {
		return
	}
	back := p.To.Add(p.DownFor)
	sure := p.To
	switch {
	case !p.Exact.Known:
		sure = back
	case p.End == Crashed:
		sure = p.To.Add(min(p.Exact.Within, p.DownFor))
	}
	w.Unknown += w.part(p.To, sure)
	w.Down += w.part(sure, back)
}

// part is how much of the time between two moments lies in the window.
func (w *windowed) part(from, to time.Time) time.Duration {
	if from.Before(w.From) {
		from = w.From
	}
	if to.After(w.To) {
		to = w.To
	}
	return max(0, to.Sub(from))
}
