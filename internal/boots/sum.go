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
	UpFor     time.Duration // suspends included; if the end is not exact, the least it can be
	UpKnown   bool
	AwakeFor  time.Duration // UpFor without the suspends, if UpKnown; the least it can be
	UpLeast   bool          // UpFor is the least it can be, whatever the end
	DownFor   time.Duration // until the next boot; if the end is not exact, the most it can be
	DownKnown bool          // false for the last boot, and if the clocks do not agree
	DownMost  bool          // DownFor is the most it can be, whatever the end
	Follows   bool          // another boot follows
	unsure    bool          // its clock was wrong at its beginning, and nothing shows that it was set
	nowhere   bool          // its end has no place in time, by the present clock
}

// Sum is the total over the time from From to To. Unknown is the time in which
// the system may have been up or down: because the end of a crash is not exact,
// or because the clocks do not agree. Slept is the time in which it was suspended, as
// far as that is known: it was neither up nor down.
type Sum struct {
	From, To          time.Time
	Up, Down, Unknown time.Duration
	Slept             time.Duration
	Boots             int
	Crashes           int
	NoBoot            bool // no boot has a record, so nothing shows when the system was down
}

// Availability returns bounds for the fraction of the time, 0 to 1, in which the
// system was up. ok is false if the sum covers no time, or if no boot has a record.
func (s Sum) Availability() (least, most float64, ok bool) {
	all := s.Up + s.Down + s.Unknown
	if all <= 0 || s.NoBoot {
		return 0, 0, false
	}
	return float64(s.Up) / float64(all), float64(s.Up+s.Unknown) / float64(all), true
}

// Present describes the present boot of this machine.
type Present struct {
	Is     func(Boot) bool // reports whether a boot of the log is the present one
	Now    time.Time
	Uptime time.Duration // since process 1 started, which in a container is later than the kernel
	Kernel time.Duration // since the kernel started
	Slept  time.Duration // the suspends' part of Uptime
	// SleptKnown is false if Slept is unknown.
	SleptKnown bool
}

// uptime returns for how long the present boot has been up, by the kernel's count. A
// boot that was recorded before process 1 started began with the kernel.
func (p *Present) uptime(b Boot) time.Duration {
	if b.began().Before(p.Now.Add(-p.Uptime - Late)) {
		return max(p.Kernel, p.Uptime)
	}
	return p.Uptime
}

// began returns when the present boot began, by the kernel's count.
func (p *Present) began() time.Time { return p.Now.Add(-p.Uptime) }

// within reports whether the log's last boot has records of the present one, which has none
// of its own: utmpd was installed in it, on a system that does not record boots.
func (p *Present) within(b Period) bool {
	return p != nil && p.Uptime > 0 && !b.Running && !b.Follows && b.End == Open && !unset(p.began()) &&
		b.began().Before(p.began().Add(-Late)) && !b.To.Before(p.began()) && !p.isBefore(b.To)
}

// isBefore reports whether the present is before t. A clock that was never set does not
// tell.
func (p *Present) isBefore(t time.Time) bool {
	return p != nil && !unset(p.Now) && t.After(p.Now.Add(sameMoment))
}

// Periods returns the boots between since and until and their sum. A zero since
// or until is no limit. present is nil for the log of another machine. What lies
// outside the limits counts neither in a period's UpFor and DownFor nor in the sum.
func Periods(all []Boot, since, until time.Time, present *Present) ([]Period, Sum) {
	all = markBehind(markSaved(slices.Clone(all), present), present)
	ps := make([]Period, len(all))
	before := -1
	for i := range all {
		ps[i] = period(all, i, before, present)
		// A boot whose clock was never set is nowhere, and the one before it counts.
		if !all[i].clock.ahead && !all[i].clock.behind && !unset(all[i].To) {
			before = i
		}
	}
	w := window(ps, since, until, present)
	if w.limits {
		ps = slices.DeleteFunc(ps, w.excludes)
	}
	w.NoBoot = len(ps) > 0
	for i := range ps {
		w.add(&ps[i])
	}
	// The rest of the time is in no period: the clocks do not agree.
	w.Unknown += max(0, w.To.Sub(w.From)-w.Up-w.Down-w.Slept-w.Unknown)
	if w.Unknown == 0 {
		// Other boots fill the time, by a clock that was wrong.
		w.Unknown = min(w.lost, w.Up)
		w.Up -= w.Unknown
	}
	return ps, w.Sum
}

// period returns the period of boot i. before is the boot before it that has a place in
// time; -1 if there is none.
func period(all []Boot, i, before int, present *Present) Period {
	p := Period{Boot: all[i], Follows: i+1 < len(all)}
	p.Running = present.runs(all, i)
	if p.Running {
		p.To, p.Slept, p.SleptKnown = present.Now, present.Slept, present.SleptKnown
	}
	p.nowhere = p.clock.ahead || p.clock.behind || unset(p.To) || present.isBefore(p.To)
	p.setUp(all, before)
	p.UpLeast = p.UpLeast || p.UpKnown && i > 0 && p.asAhead(all[i-1])
	if p.clock.ahead {
		p.UpKnown = false // it cannot be placed
	}
	if p.Running && present.uptime(p.Boot) > 0 {
		p.UpFor, p.UpKnown, p.UpLeast = present.uptime(p.Boot), true, false // the kernel counts, whatever the clock says
	}
	if present.within(p) {
		// When the boot of its first records ended, nothing tells.
		p.UpFor, p.UpKnown, p.UpLeast = p.To.Sub(present.began()), true, true
	}
	p.setFollowing(all, i, present)
	if p.Running {
		p.holes = nil // the kernel has counted on
	}
	p.UpLeast = p.UpLeast || p.UpKnown && p.Holed()
	return p
}

// setFollowing sets how long the system was down until the boot after i, if any.
func (p *Period) setFollowing(all []Boot, i int, present *Present) {
	if !p.Follows {
		return
	}
	next := all[i+1]
	p.setDown(next, present.runs(all, i+1), present)
	whole := next.lostBefore || p.Damaged // whole boots may be there
	p.DownMost = p.DownMost || p.DownKnown && (p.unsure || next.asAhead(p.Boot) || whole)
	if p.nowhere {
		p.DownFor, p.DownKnown, p.DownMost = 0, false, false
	}
}

// Unsure reports whether p's clock was wrong at its beginning, and nothing shows that it was
// ever set, so that its end too may be by a wrong clock.
func (p Period) Unsure() bool { return p.unsure }

// runs reports whether boot i is the present one.
func (p *Present) runs(all []Boot, i int) bool {
	return p != nil && i == len(all)-1 && all[i].End == Open && p.Is(all[i])
}

// setUp sets how long the system was up.
func (p *Period) setUp(all []Boot, before int) {
	p.UpFor, p.UpKnown = p.Up()
	if before >= 0 && p.overlaps(all[before]) {
		p.unsure = !p.set() && p.stepped == 0 && all[before].To.Sub(p.began()) > smallOverlap
		p.setUpAfter(all[before].To)
	}
	p.UpLeast = p.UpKnown && (p.UpLeast || p.Doubtful())
}

// setUpAfter sets the least that the system was up after the end of the boot before,
// which p overlaps.
func (p *Period) setUpAfter(end time.Time) {
	from := p.clock.settled.Time()
	if !p.Doubtful() && end.Sub(p.began()) <= smallOverlap {
		from = p.clock.first.Time()
	}
	p.UpFor, p.UpKnown = span(from, p.To)
	if p.UpFor == 0 || from.Before(end) {
		p.UpFor, p.UpKnown = 0, false
	}
	p.UpLeast = true
}

// setDown sets how long the system was down until the next boot.
func (p *Period) setDown(next Boot, runs bool, present *Present) {
	p.DownFor, p.DownKnown = p.Down(next)
	if runs && present.uptime(next) > 0 {
		// It was down until the kernel started, which UP of the next boot counts from.
		if d, ok := span(p.To, present.Now.Add(-present.uptime(next))); ok || !p.DownKnown {
			p.DownFor, p.DownKnown = d, ok && (p.Exact.Known || d > 0)
			return
		}
	}
	p.setDownBefore(next)
	first := next.clock.first.Time()
	behind := p.To.Sub(next.began())
	if !p.DownKnown && next.Recorded && !next.Doubtful() && behind > sameMoment && behind <= smallOverlap && first.After(p.To) {
		p.DownFor, p.DownKnown, p.DownMost = first.Sub(p.To), true, true
	}
}

// setDownBefore makes DownFor the most that it can be if the clock of the next boot was
// set late: it may have been wrong from the start.
func (p *Period) setDownBefore(next Boot) {
	if by := next.stepped - next.clock.early; p.DownKnown && by.Abs() > sameMoment {
		p.DownFor, p.DownMost = p.DownFor+max(0, by), true
	}
}

// overlaps reports whether p began before the boot before it had ended. The clock
// of one of them was then wrong and set later, so p's times do not show how long
// it was up.
func (p *Period) overlaps(before Boot) bool {
	from := p.began()
	return from.Before(before.To.Add(-sameMoment)) && (before.Doubtful() || p.To.After(before.began()))
}

// windowed is a sum over the time between From and To.
type windowed struct {
	Sum
	limits bool          // From or To is a limit
	until  bool          // To is a limit
	lost   time.Duration // of boots of which it is not known how long they were up
}

// window returns an empty sum over the time that the boots cover, limited to
// since and until.
func window(ps []Period, since, until time.Time, present *Present) *windowed {
	w := &windowed{limits: !since.IsZero() || !until.IsZero()}
	placed := slices.ContainsFunc(ps, func(p Period) bool { return !p.nowhere })
	for _, p := range ps {
		if p.nowhere && (placed || p.clock.ahead) {
			continue
		}
		from := p.To
		if p.UpKnown {
			from = p.start()
		}
		if w.From.IsZero() || from.Before(w.From) {
			w.From = from
		}
		if end := p.To.Add(p.DownFor); end.After(w.To) { // the next boot's own end may not count
			w.To = end
		}
	}
	if since.After(w.From) {
		w.From = since
	}
	if !until.IsZero() && until.Before(w.To) {
		w.To, w.until = until, true
	}
	return w
}

// start returns when p began; From, if that is not known better.
func (p Period) start() time.Time {
	if p.UpKnown {
		return p.To.Add(-p.UpFor) // differs from From if the clock was set
	}
	return p.From
}

// excludes reports whether p lies outside the window.
func (w *windowed) excludes(p Period) bool {
	before := !p.To.Add(p.DownFor).After(w.From) && p.start().Before(w.From)
	after := !p.start().Before(w.To) && p.To.After(w.To)
	return w.To.Before(w.From) || before || after
}

// add adds a period and the downtime after it, and limits both to the window.
func (w *windowed) add(p *Period) {
	w.Boots++
	w.NoBoot = w.NoBoot && !p.Recorded
	if p.UpKnown && p.nowhere {
		p.UpFor = max(0, p.UpFor-p.lost(p.start(), p.To))
		p.Slept = min(p.Slept, p.UpFor)
		p.AwakeFor = p.UpFor - p.Slept
		w.lost += p.UpFor
	} else if p.UpKnown {
		w.addUp(p)
	} else if !unset(p.began()) {
		w.lost += w.part(p.began(), p.To)
	}
	if w.until && p.To.After(w.To) {
		p.goesOn(w.To)
		return
	}
	if p.End == Crashed {
		w.Crashes++
	}
	if !p.DownKnown || p.nowhere {
		return
	}
	back := p.To.Add(p.DownFor)
	sure := p.To
	switch {
	case !p.Exact.Known || p.DownMost:
		sure = back
	case p.End == Crashed:
		sure = p.To.Add(min(p.Exact.Within, p.DownFor))
	}
	w.Unknown += w.part(p.To, sure)
	w.Down += w.part(sure, back)
	if w.limits {
		p.DownFor = w.part(p.To, back)
	}
}

// goesOn makes p what it was at a time before its end: running.
func (p *Period) goesOn(at time.Time) {
	p.To, p.End, p.Exact, p.By, p.EndRecorded = at, Open, Exactness{}, "", false
	p.Running, p.Follows, p.DownFor, p.DownKnown, p.DownMost = true, false, 0, false, false
}

// addUp adds the time up of a period, and its suspends, and limits both to the window.
// When it was suspended is not known: if the period lies in the window in part only,
// the suspends may have too.
func (w *windowed) addUp(p *Period) {
	up := w.upOf(*p)
	slept := min(p.Slept, p.UpFor)
	most, least := min(slept, up), max(0, slept-(p.UpFor-up))
	p.UpFor, p.AwakeFor, p.Slept = up, up-most, least
	w.Up += p.AwakeFor
	w.Slept += least
	w.Unknown += most - least
	if p.UpLeast && p.AwakeFor < time.Second {
		p.UpKnown, p.UpLeast = false, false
	}
}

// upOf returns how much of the time that p was surely up lies in the window.
func (w *windowed) upOf(p Period) time.Duration {
	up := w.part(p.start(), p.To)
	for _, h := range p.holes {
		up -= w.part(latest(h.from, p.start()), earlier(h.to, p.To))
	}
	return max(0, up)
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
