// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"slices"
	"time"
)

// Past is a boot that is over, as it is known without the log: from the notes in
// STATE_DIR.
type Past struct {
	Boot  string        // its id
	From  time.Time     // when it began, by its clock at that time; zero if unknown
	To    time.Time     // when it ended, or was last known to be up
	Up    time.Duration // from its beginning to To, by the kernel's clock; 0 if unknown
	Slept time.Duration // the suspends' part of Up
	End   End           // ShutDown or Crashed
	Exact Exactness     // of To
	By    Source        // of To
}

// Began returns when the boot began, by its clock at its end; zero if unknown.
func (p Past) Began() time.Time {
	counted := p.To.Add(-p.Up)
	if p.Up <= 0 || same(counted, p.From) {
		return p.From
	}
	return counted
}

// Same reports whether two pasts are one boot.
func (p Past) Same(q Past) bool { return p.Boot == q.Boot && same(p.From, q.From) }

// distance returns how far the beginning of p is from that of a boot of the log,
// by the nearer of p's two clocks.
func (p Past) distance(b Boot) time.Duration {
	return min(p.From.Sub(b.From).Abs(), p.Began().Sub(b.From).Abs())
}

// is reports whether p may be a boot of the log.
func (p Past) is(b Boot) bool {
	within := !b.To.Before(p.Began().Add(-sameMoment)) && !b.To.After(p.To.Add(p.Exact.Within+sameMoment))
	switch {
	case p.From.IsZero() && p.Up == 0:
		return false
	case !b.Recorded:
		return within && !b.From.Before(p.Began().Add(-sameMoment)) // its beginning was lost
	case b.From.Before(earliest):
		return within && p.distance(b) < bootLate // every boot may begin then
	}
	return p.distance(b) < bootLate
}

// nearest returns the index of the past that is a boot of the log; -1 if none is.
func nearest(ps []Past, b Boot) int {
	best := -1
	for i, p := range ps {
		if p.is(b) && (best < 0 || p.distance(b) <= ps[best].distance(b)) {
			best = i
		}
	}
	return best
}

// recent returns the boots before the present one that the stamp and the note know,
// oldest first.
func (ev Evidence) recent() []Past {
	s, n := ev.Stamp, ev.Note
	if n != nil && (n.Boot == "" || n.Boot == ev.Boot) {
		n = nil
	}
	var ps []Past
	if s != nil && s.Boot != "" && s.Boot != ev.Boot {
		its := n
		if n != nil && n.Boot != s.Boot {
			its = nil
		}
		ps = append(ps, ev.past(s.Boot, s.Booted, s.Booted, its))
	}
	if n != nil && (s == nil || n.Boot != s.Boot && n.At.After(s.Booted)) {
		var from time.Time
		if n.Up > 0 {
			from = n.At.Add(-n.Up)
		}
		ps = append(ps, ev.past(n.Boot, from, n.At, n))
	}
	return ps
}

// past returns a boot of which the log is not asked. note is its own, or nil.
func (ev Evidence) past(id string, from, to time.Time, note *Note) Past {
	if note != nil {
		ev.Accessed = time.Time{} // the note knows better than a log that may be an old copy
	}
	if note != nil && note.At.Before(to) {
		to = note.At // the clock was set back
	}
	v := ev.notAfterBoot(ev.when(Boot{From: from, To: to, Recorded: true}, note), Boot{From: from, To: to})
	p := Past{Boot: id, From: from, To: v.At, End: v.End, Exact: v.Exact, By: v.By}
	if note != nil && note.Up > 0 {
		p.Up, p.Slept = max(0, note.Up+p.To.Sub(note.At)), note.Slept
	}
	return p
}

// known returns all boots before the present one that are known without the log,
// oldest first.
func (ev Evidence) known() []Past {
	all := slices.Clone(ev.Ledger)
	for _, p := range ev.recent() {
		if !slices.ContainsFunc(all, p.Same) {
			all = append(all, p)
		}
	}
	return all
}

// maxMissed bounds how many boots are recorded that the log misses.
const maxMissed = 16

// missed returns the boots that the log lacks altogether, after last, its last one;
// last is nil if it has none.
func (ev Evidence) missed(last *Boot) []Past {
	if ev.Unread {
		return nil // they may be in what could not be read
	}
	all := ev.known()
	after := time.Time{}
	if last != nil {
		all = all[nearest(all, *last)+1:]
		after = last.To
	}
	all = slices.DeleteFunc(slices.Clone(all), func(p Past) bool {
		if p.Began().IsZero() {
			return last != nil
		}
		return p.Began().Before(earliest) || !p.Began().After(after)
	})
	if len(all) == 0 {
		return nil
	}
	return all[max(0, len(all)-maxMissed):]
}

// Finished returns what a ledger lacks: the boots before the present one that the
// stamp and the note know, with their ends, as v and the log tell them.
func Finished(ev Evidence, v Verdict) []Past {
	if ev.stamped() {
		return nil
	}
	ps := slices.DeleteFunc(ev.recent(), func(p Past) bool { return slices.ContainsFunc(ev.Ledger, p.Same) })
	for i := range ps {
		ps[i] = ev.completed(ps[i], v)
	}
	return ps
}

// completed returns p with the end that the log has of it.
func (ev Evidence) completed(p Past, v Verdict) Past {
	all := ev.Boots
	if n := len(all); n > 0 && v.Present {
		all = all[:n-1]
	}
	i := len(all) - 1
	for i >= 0 && !p.is(all[i]) {
		i--
	}
	if i < 0 {
		return p
	}
	b := all[i]
	to := p.To
	switch {
	case v.Write && i == len(all)-1:
		p.To, p.End, p.Exact, p.By = v.At, v.End, v.Exact, v.By
	case v.Present && !b.EndRecorded:
		end := ev.when(b, ev.noteOf(b))
		p.To, p.End, p.Exact, p.By = end.At, end.End, end.Exact, end.By
	case b.EndRecorded:
		p.To, p.End, p.Exact, p.By = b.To, b.End, b.Exact, b.By
	}
	if p.Up > 0 {
		p.Up = max(0, p.Up+p.To.Sub(to))
	}
	return p
}
