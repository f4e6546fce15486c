// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"cmp"
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
	Slept time.Duration // the suspends' part of Up; negative if unknown
	End   End           // Open if the record of it may be where the log could not be read
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
func (p Past) Same(q Past) bool {
	if p.Boot != q.Boot {
		return false
	}
	if same(p.From, q.From) {
		return true
	}
	// Of two starts of a container under one kernel, the second ends later.
	return p.Up > 0 && q.Up > 0 && (same(p.Began(), q.Began()) || same(p.To, q.To))
}

// bare reports whether nothing is known of p but that it began, by a clock that may
// have been set later.
func (p Past) bare() bool { return p.Up == 0 && p.To.Equal(p.From) }

// slept returns how long p was suspended, and whether that is known.
func (p Past) slept() (d time.Duration, known bool) {
	return max(0, p.Slept), p.Up > 0 && p.Slept >= 0
}

// distance returns how far the beginning of p is from that of a boot of the log,
// by the nearer of p's two clocks.
func (p Past) distance(b Boot) time.Duration {
	return min(p.From.Sub(b.From).Abs(), p.Began().Sub(b.From).Abs())
}

// within reports whether p was up when a boot of the log was up last.
func (p Past) within(b Boot) bool {
	return !b.To.Before(p.Began().Add(-sameMoment)) && !b.To.After(p.To.Add(p.Exact.Within+sameMoment))
}

// is reports whether p may be a boot of the log.
func (p Past) is(b Boot) bool {
	switch {
	case p.From.IsZero() && p.Up == 0:
		return false
	case !b.Recorded:
		from := b.began().Add(sameMoment) // its beginning was lost
		return !from.Before(p.Began()) && (p.within(b) || p.Up > 0 && !from.After(p.To))
	case b.From.Before(earliest) && !b.To.Before(earliest) && p.Exact.Known && p.endsWith(b):
		return true // the clock was set before p was noted
	case b.From.Before(earliest):
		return p.within(b) && p.distance(b) < Late // every boot may begin then
	}
	return p.distance(b) < Late && !p.follows(b) && !p.precedes(b)
}

// precedes reports whether p was shut down before a boot of the log began. If the clock was set
// in p, nothing shows that.
func (p Past) precedes(b Boot) bool {
	steady := p.Up > 0 && same(p.To.Add(-p.Up), p.From)
	return steady && p.End == ShutDown && b.Recorded && b.From.After(p.To.Add(sameMoment))
}

// follows reports whether p began after a boot of the log had ended.
func (p Past) follows(b Boot) bool {
	return b.EndRecorded && !b.To.Before(b.From) && p.From.After(b.To.Add(sameMoment)) && p.Began().After(b.To.Add(sameMoment))
}

// longer reports whether p may be a boot of the log that ended later, if p's end is
// but the last that is known of it.
func (p Past) longer(b Boot) bool {
	return b.Recorded && !p.Exact.Known && b.To.After(p.To) && p.distance(b) < Late
}

// maybe reports whether p may be a boot of the log of which no past is known to be it.
func (p Past) maybe(b Boot) bool { return p.bare() || p.distance(b) < Late && !p.precedes(b) }

// nearest returns the index of the past that is a boot of the log, the last one in
// doubt; -1 if none is. sure is false in doubt: some clocks begin at the same second
// at every boot.
func nearest(ps []Past, b Boot) (best int, sure bool) {
	best = -1
	for i, p := range ps {
		if !p.is(b) {
			continue
		}
		switch d := compareFit(p, ps[max(best, 0)], b); {
		case best < 0 || d < 0:
			best, sure = i, true
		case d == 0:
			best, sure = i, false
		}
	}
	return best, sure
}

// endsWith reports whether p ended when the log has the end of a boot.
func (p Past) endsWith(b Boot) bool { return b.EndRecorded && same(p.To, b.To) }

// compareFit compares how well two pasts fit a boot of the log; less is better.
func compareFit(p, q Past, b Boot) int {
	if d := p.distance(b) - q.distance(b); b.Holed() && d.Abs() > sameMoment {
		return cmp.Compare(d, 0) // its end may be another boot's
	}
	if stamped := p.From.Equal(b.From); stamped != q.From.Equal(b.From) { // it has the record's time
		if stamped {
			return -1
		}
		return 1
	}
	if end := p.endsWith(b); end != q.endsWith(b) {
		if end {
			return -1
		}
		return 1
	}
	if in := p.within(b); in != q.within(b) {
		if in {
			return -1
		}
		return 1
	}
	if d := p.apart(b) - q.apart(b); p.From.Sub(q.From).Abs() < restarts && d.Abs() > sameMoment {
		return cmp.Compare(d, 0)
	}
	d := p.distance(b) - q.distance(b)
	if d.Abs() <= sameMoment {
		return 0
	}
	return cmp.Compare(d, 0)
}

// restarts is how far apart at most boots begin whose clock starts at one time at every boot.
const restarts = 2 * time.Minute

// outlasts reports whether p was up after the end that the log has of b.
func (p Past) outlasts(b Boot) bool {
	return b.EndRecorded && b.Exact.Known && p.To.After(b.To.Add(b.Exact.Within+Late))
}

// apart returns how far the end of p is from that of a boot of the log. It tells boots apart
// whose clock started at one time.
func (p Past) apart(b Boot) time.Duration { return p.To.Sub(b.To).Abs() }

// fits reports whether p is rather b than other, both boots of the log.
func (p Past) fits(b, other Boot) bool {
	if !p.is(b) {
		return false
	}
	if end := p.endsWith(b); end != p.endsWith(other) {
		return end
	}
	if in := p.within(b); in != p.within(other) {
		return in
	}
	if over := p.outlasts(b); over != p.outlasts(other) {
		return !over
	}
	if d := p.apart(other) - p.apart(b); b.From.Sub(other.From).Abs() < restarts && d.Abs() > sameMoment {
		return d > 0
	}
	return p.distance(other)-p.distance(b) > sameMoment
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
	v := ev.when(Boot{From: from, To: to, Recorded: true}, note)
	if note == nil || note.Up <= 0 {
		v = ev.notAfterBoot(v, Boot{From: from, To: to}) // else the kernel's count belongs to the note's time
	}
	p := Past{Boot: id, From: from, To: v.At, End: v.End, Exact: v.Exact, By: v.By}
	if note != nil && note.Up > 0 {
		p.Up, p.Slept = note.Up, note.Slept
		p.goesOn(p.To.Sub(note.At))
	}
	return p
}

// unseen is the longest time without the daemon in which a suspend is not expected.
const unseen = 10 * time.Second

// goesOn makes p up for longer, in a time of which the note knows nothing.
func (p *Past) goesOn(d time.Duration) {
	p.Up = max(0, p.Up+d)
	if d > unseen {
		p.Slept = -1
	}
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

// before reports whether a boot that began then, by the kernel's count, came after b, whose
// clock began in 1970 and was set.
func (b Boot) before(began time.Time) bool {
	return b.From.Before(earliest) && !b.To.Before(earliest) && began.After(b.To.Add(sameMoment))
}

// maxMissed bounds how many boots are recorded that the log misses.
const maxMissed = 16

// missed returns the boots that the log lacks altogether, after its last one. log are
// its boots, of which it may have older ones.
func (ev Evidence) missed(log []Boot) []Past {
	if ev.Unread {
		return nil // they may be in what could not be read
	}
	ps := recordable(ev.lacked(log))
	if ev.Damaged && (len(log) == 0 || log[len(log)-1].hides()) && slices.ContainsFunc(ps, Past.guessed) {
		return nil // the record of a shutdown may be in the damage
	}
	return ps
}

// lacked is the same, whatever the damage.
func (ev Evidence) lacked(log []Boot) []Past {
	all := ev.known()
	if len(log) == 0 {
		return slices.DeleteFunc(all, Past.timeless)
	}
	last, found := log[len(log)-1], -1
	for _, b := range log {
		found, _ = nearest(all, b)
		all = all[found+1:]
	}
	if n := len(all); found < 0 && last.Recorded && n > 0 && all[n-1].bare() {
		all = all[:n-1] // it may be the last one
	}
	return slices.DeleteFunc(all, func(p Past) bool {
		restarts := last.From.Before(earliest) && p.From.Sub(last.From).Abs() < Late && !last.before(p.Began()) // it may be the last one
		return restarts || p.timeless() || !p.Began().After(last.To)
	})
}

// timeless reports whether p has no place in time, or no end.
func (p Past) timeless() bool {
	return p.End == Open || p.Began().Before(earliest) && !p.Began().IsZero()
}

// guessed reports whether p crashed only as far as it is known.
func (p Past) guessed() bool { return p.End == Crashed && !p.Exact.Known }

// recordable returns as many boots as are recorded, the last ones.
func recordable(ps []Past) []Past {
	if len(ps) == 0 {
		return nil
	}
	return ps[max(0, len(ps)-maxMissed):]
}

// Known returns the boots before the present one that are known without the log, oldest first,
// for who asks before they are in the ledger. Of those, a crash that is but a guess is no end.
func Known(ev Evidence) []Past {
	if ev.stamped() {
		return ev.Ledger
	}
	all := ev.known()
	for i := len(ev.Ledger); i < len(all); i++ {
		if all[i].guessed() {
			all[i].End = Open
		}
	}
	return all
}

// Finished returns what a ledger lacks: the boots before the present one that the
// stamp and the note know, with their ends, as v and the log tell them.
func Finished(ev Evidence, v Verdict) []Past {
	if ev.stamped() {
		return nil
	}
	ps := slices.DeleteFunc(ev.recent(), func(p Past) bool { return slices.ContainsFunc(ev.Ledger, p.Same) })
	for i := range ps {
		known := false
		if ps[i], known = ev.completed(ps[i], v); !known && ps[i].guessed() {
			ps[i].End = Open
		}
	}
	return ps
}

// completed returns p with the end that the log has of it. known is false if the record of
// a shutdown may be where the log could not be read: then a crash is but a guess.
func (ev Evidence) completed(p Past, v Verdict) (_ Past, known bool) {
	all := ev.Boots
	if n := len(all); n > 0 && v.Present {
		all = all[:n-1]
	}
	i := len(all) - 1
	for i >= 0 && !ev.hasAs(p, all[i]) {
		i--
	}
	if i < 0 {
		return p, !ev.Unread && !ev.Damaged
	}
	b := all[i]
	to := p.To
	switch {
	case v.Write && i == len(all)-1:
		p.To, p.End, p.Exact, p.By = v.At, v.End, v.Exact, v.By
	case v.Present && !b.EndRecorded:
		note := ev.noteOf(b)
		end := ev.when(b.byClockOf(note), note)
		p.To, p.End, p.Exact, p.By = end.At, end.End, end.Exact, end.By
	case b.EndRecorded:
		p.To, p.End, p.Exact, p.By = b.To, b.End, b.Exact, b.By
	}
	if p.Up > 0 {
		p.goesOn(p.To.Sub(to))
	}
	return p, !b.Damaged
}

// hasAs reports whether the log has p as b. One of two boots within minutes may be
// missing in the log, so the other's record is not p's.
func (ev Evidence) hasAs(p Past, b Boot) bool {
	all := ev.known()
	if i, _ := nearest(all, b); i >= 0 {
		return all[i].Same(p)
	}
	// With the clock at its first second at each boot, the end tells: the last boot went on
	// after its last note, and the log has the end.
	went := b.From.Before(earliest) && b.EndRecorded && b.To.After(p.To) && p.distance(b) < Late && all[len(all)-1].Same(p)
	return went || p.longer(b)
}
