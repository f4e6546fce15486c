// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"slices"
	"time"
)

// Period is one boot and the downtime after it.
type Period struct {
	Boot
	Running   bool          // it is the present boot
	UpFor     time.Duration // if the end is not exact, the least it can be
	UpKnown   bool
	DownFor   time.Duration // until the next boot; if the end is not exact, the most it can be
	DownKnown bool          // false for the last boot, and if the clocks do not agree
	Follows   bool          // another boot follows
}

// Sum is the total over the time from From to To. Unknown is the time in which
// the system may have been up or down: because the end of a crash is not exact,
// or because the clocks do not agree.
type Sum struct {
	From, To          time.Time
	Up, Down, Unknown time.Duration
	Boots             int
	Crashes           int
}

// Availability returns bounds for the fraction of the time, 0 to 1, in which the
// system was up. ok is false if the sum covers no time.
func (s Sum) Availability() (least, most float64, ok bool) {
	all := s.Up + s.Down + s.Unknown
	if all <= 0 {
		return 0, 0, false
	}
	return float64(s.Up) / float64(all), float64(s.Up+s.Unknown) / float64(all), true
}

// Present describes the present boot of this machine.
type Present struct {
	Is     func(Boot) bool // reports whether a boot of the log is the present one
	Now    time.Time
	Uptime time.Duration
}

// Periods returns the boots between since and until and their sum. A zero since
// or until is no limit. present is nil for the log of another machine.
func Periods(all []Boot, since, until time.Time, present *Present) ([]Period, Sum) {
	ps := make([]Period, len(all))
	for i := range all {
		ps[i] = period(all, i, present)
	}
	w := window(ps, since, until)
	ps = slices.DeleteFunc(ps, w.excludes)
	for _, p := range ps {
		w.add(p)
	}
	// The rest of the time is in no period: the clocks do not agree.
	w.Unknown += max(0, w.To.Sub(w.From)-w.Up-w.Down-w.Unknown)
	return ps, w.Sum
}

// period returns the period of boot i.
func period(all []Boot, i int, present *Present) Period {
	p := Period{Boot: all[i], Follows: i+1 < len(all)}
	if p.End == Open && present != nil && !p.Follows && present.Is(p.Boot) {
		p.Running, p.To = true, present.Now
	}
	p.UpFor, p.UpKnown = p.Up()
	if i > 0 && p.overlaps(all[i-1]) {
		p.UpFor, p.UpKnown = 0, false
	}
	if p.Running && !p.UpKnown {
		p.UpFor, p.UpKnown = present.Uptime, true
	}
	if p.Follows {
		p.DownFor, p.DownKnown = all[i].Down(all[i+1])
	}
	return p
}

// overlaps reports whether p began before the boot before it had ended. The clock
// of one of them was then wrong and set later, so p's times do not show how long
// it was up.
func (p Period) overlaps(before Boot) bool {
	from := p.From.Add(p.stepped)
	return from.Before(before.To.Add(-sameMoment)) && p.To.After(before.From.Add(before.stepped))
}

// windowed is a sum over the time between From and To.
type windowed struct{ Sum }

// window returns an empty sum over the time that the boots cover, limited to
// since and until.
func window(ps []Period, since, until time.Time) *windowed {
	w := &windowed{}
	for _, p := range ps {
		from := p.To
		if p.UpKnown {
			from = p.To.Add(-p.UpFor) // differs from From if the clock was set
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

// excludes reports whether p lies outside the window.
func (w *windowed) excludes(p Period) bool {
	return w.To.Before(w.From) || p.To.Add(p.DownFor).Before(w.From) || p.From.After(w.To) && p.To.After(w.To)
}

// add adds a period and the downtime after it.
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

// part returns how much of the time between two moments lies in the window.
func (w *windowed) part(from, to time.Time) time.Duration {
	if from.Before(w.From) {
		from = w.From
	}
	if to.After(w.To) {
		to = w.To
	}
	return max(0, to.Sub(from))
}
