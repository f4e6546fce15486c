// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"time"

	"utmpd.dev/utmpd/utmpx"
)

const (
	// bootSettled is the longest that a boot takes until its first run level is
	// recorded. If it seems to take longer, the clock was set forward meanwhile.
	bootSettled = time.Hour
	// smallOverlap is the most by which a boot may begin before the end of the one
	// before, by the clocks, and the times still give bounds: the clock of the later
	// one was set by that much or more soon after its start.
	smallOverlap = 10 * time.Minute
)

// settling is what the records of a boot show of its clock: whether it was set,
// though no record says so.
type settling struct {
	early   time.Duration // the steps soon after the boot's record, which say that it was wrong
	wrong   bool          // the time of the boot's own record was wrong
	ahead   bool          // and so were all times of the boot
	back    bool          // it was set back: a record is earlier than the boot's own
	behind  bool          // all times of the boot were too early
	fixed   bool          // settled is certain
	settled utmpx.Time    // of the first record after the clock was set, if it was
	gap     time.Duration // before settled; the longest between two records
	ended   utmpx.Time    // the end of the boot before
	first   utmpx.Time    // of the first record that is not before that end
}

// sees takes in the next record of the boot. last is the time of the one before it.
func (s *settling) sees(last, at utmpx.Time) {
	if s.first == (utmpx.Time{}) && !later(s.ended, at) {
		s.first = at
	}
	// Where in the boot the clock was set forward is not known. But it was early, so
	// it was not after the longest gap.
	if gap := time.Duration(at.Sec-last.Sec) * time.Second; gap > s.gap && !s.fixed {
		s.gap, s.settled = gap, at
	}
}

// contradict notes that the record at that time shows that the clock was set.
func (s *settling) contradict(at utmpx.Time) {
	if !s.fixed {
		s.wrong, s.fixed, s.settled = true, true, at
	}
}

// setBack looks for a record that is earlier than the boot's own. at is the time of
// any record but a logout, which may be written late. It reports whether this is the first.
func (b *Boot) setBack(at utmpx.Time) bool {
	if at.Sec >= b.From.Unix()+int64(b.stepped/time.Second) {
		return false // nearly all are later: a log of a million records is read for few that are not
	}
	began := b.began()
	if !b.Recorded || unset(began) || !at.Time().Before(began.Add(-sameMoment)) {
		return false
	}
	first := !b.clock.back
	b.clock.back = true
	b.clock.contradict(at)
	return first
}

// step takes in a step of the clock that is recorded. One soon after the boot was
// recorded corrects the time of that record: the boot before ended by a clock that
// was right.
func (b *Boot) step(from, to time.Time) {
	if d := from.Sub(b.began()); b.Recorded && d >= -sameMoment && d <= lateLogout {
		b.clock.early += to.Sub(from)
	}
	b.stepped += to.Sub(from)
}

// firstLevel looks at the record of the first run level.
func (b *Boot) firstLevel(at utmpx.Time) {
	if b.Recorded && !b.leveled && !b.Holed() && b.late(at) { // behind a hole it may be another boot's
		b.clock.contradict(at)
	}
	b.leveled = true
}

// late reports whether a first run level at that time is too late for b.
func (b *Boot) late(at utmpx.Time) bool { return at.Time().Sub(b.began()) > bootSettled }

// began returns when the boot began, if no step of the clock is missing from the log.
func (b Boot) began() time.Time { return b.From.Add(b.stepped) }

// Doubtful reports whether the time of the boot's record was wrong, as other
// records show.
func (b Boot) Doubtful() bool { return b.clock.behind || b.set() }

// set reports whether the clock was set, as the records show.
func (b Boot) set() bool { return b.clock.wrong || unset(b.began()) }

// unset reports whether a clock that shows t was never set. Clocks without a battery
// start in 1970, 1980 or 2000.
func unset(t time.Time) bool {
	const day, y1980, y2000 = 24 * 60 * 60, 315532800, 946684800
	sec := t.Unix()
	return sec < y1980+day || sec >= y2000 && sec < y2000+day
}

// markRestarts marks the boots whose clock started where that of another one had,
// although it had gone on meanwhile: at the same second, or, if it went back by more
// than a boot takes, within two minutes.
func markRestarts(all []Boot) {
	at := make(map[int64]int, len(all)) // the last boot that began in those two minutes
	const span = int64(2 * time.Minute / time.Second)
	var reached time.Time
	for i := range all {
		b := &all[i]
		if b.Recorded && b.stepped == 0 {
			sec := b.From.Unix()
			for _, key := range [...]int64{sec/span - 1, sec / span, sec/span + 1} {
				if j, ok := at[key]; ok && restarted(all[j], *b, reached) {
					b.clock.wrong, all[j].clock.wrong = true, true
				}
			}
			at[sec/span] = i
		}
		reached = latest(reached, b.To)
	}
}

// restarted reports whether the clock started for b where it had started for a.
// reached is the latest time between the two.
func restarted(a, b Boot, reached time.Time) bool {
	apart, back := b.From.Sub(a.From).Abs(), reached.Sub(b.From)
	return apart < time.Second && back > sameMoment || apart <= 2*time.Minute && back > bootSettled
}

// markAhead marks the boots whose clock was ahead and was never set: the next one
// began long before, but after the one before had ended.
func markAhead(all []Boot) {
	for i := 1; i+1 < len(all); i++ {
		before, b, next := all[i-1], &all[i], all[i+1]
		if next.Recorded && !unset(next.began()) && !next.began().Before(before.To) &&
			b.began().Sub(next.began()) > bootSettled && b.To.Sub(next.began()) > bootSettled {
			b.clock.wrong, b.clock.ahead = true, true
		}
	}
}

// markBehind marks the boots whose clock was behind and was never set: they ended before
// the one before, and a later one went on after that. If that one may have been ahead
// instead, nothing shows which of them is wrong.
func markBehind(all []Boot, present *Present) []Boot {
	for _, ahead := range [...]bool{false, true} {
		var reached time.Time
		run := 0 // the first boot since the one that reached it
		for i, b := range all {
			to := b.To
			if present.runs(all, i) {
				to = present.Now
			}
			if b.clock.ahead && !ahead || unset(to) || to.Before(reached.Add(-smallOverlap)) {
				continue
			}
			for k := run; k < i; k++ {
				all[k].clock.behind = all[k].clock.behind || all[k].neverSet()
			}
			reached, run = latest(reached, to), i+1
		}
	}
	return all
}

// neverSet reports whether no step of b's clock is known, though it once had been right.
func (b Boot) neverSet() bool {
	return b.Recorded && b.stepped == 0 && !b.clock.ahead && !unset(b.To)
}

// asAhead reports whether the clock may have been ahead for b as it was for the boot before:
// that one's was set back, and of b's nothing is known.
func (b Boot) asAhead(before Boot) bool {
	return before.clock.back && before.stepped == 0 && b.Recorded && b.stepped == 0 && b.counted.IsZero() && !b.set() && !b.From.Before(before.From)
}

// markSaved marks the boots whose clock may have gone on where the shutdown before had
// saved it, as machines without a battery do, if that of the present boot did: its record
// is older than the kernel. Such a boot seems to follow that shutdown at once, and then
// nothing happens until the clock is set.
func markSaved(all []Boot, present *Present) []Boot {
	n := len(all) - 1
	if n < 1 || !present.runs(all, n) || !followsAtOnce(all[n-1], all[n]) || present.Now.Add(-present.uptime(all[n])).Sub(all[n].began()) <= bootSettled {
		return all
	}
	for i := 1; i < n; i++ {
		b := &all[i]
		known := b.stepped != 0 || !b.counted.IsZero()
		if b.Recorded && !known && b.clock.gap > bootSettled && followsAtOnce(all[i-1], *b) {
			b.clock.wrong = true
		}
	}
	return all
}

// followsAtOnce reports whether a boot began when the one before was shut down, or a
// little later.
func followsAtOnce(before, b Boot) bool {
	after := b.began().Sub(before.To)
	return before.End == ShutDown && before.Exact.Known && after >= -sameMoment && after <= 2*time.Minute
}
