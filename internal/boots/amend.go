// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"slices"
	"time"
)

// Difference is a boot of which the log and a ledger tell different ends.
type Difference struct {
	Log    Boot
	Ledger Past
}

// lateRecord is how much later than the kernel's start a boot may be recorded.
const lateRecord = time.Minute

// Amend returns the boots of a log with what a ledger knows besides: the ends that
// have no record, and boots that the log lacks between the first that it has and
// now; all of them if it has none. Where both tell an end, the log's stays, and a
// difference is returned. Where the log is damaged within a boot, the ledger may know that
// it went on, or that it was two. present is as for [Periods]; the present boot is in no ledger.
func Amend(all []Boot, ledger []Past, present *Present) ([]Boot, []Difference) {
	var differ []Difference
	all = settleHoles(all, ledger, present)
	over := all
	if n := len(all); n > 0 && present.runs(all, n-1) {
		over = all[:n-1]
	}
	of := pair(over, ledger)
	amended := slices.Clone(all)
	if len(over) < len(all) {
		b := &amended[len(over)]
		b.counted = present.Now.Add(-present.uptime(*b))
	}
	for k, i := range of {
		if i < 0 {
			continue
		}
		if all[i].Contradicts(ledger[k]) {
			differ = append(differ, Difference{all[i], ledger[k]})
		}
		amended[i] = all[i].amended(ledger[k])
	}
	paired := amended
	for k, p := range ledger {
		after := func(i int) bool { return i >= 0 && paired[i].notBefore().Before(p.To.Add(-Late)) }
		if of[k] < 0 && !slices.ContainsFunc(unpaired(over, of, k), p.maybe) && !slices.ContainsFunc(of[k+1:], after) {
			amended = insert(slices.Clone(amended), p)
		}
	}
	return amended, differ
}

// pair returns for each past the index of the boot of the log that it is, or -1.
func pair(all []Boot, ledger []Past) []int {
	of := make([]int, len(ledger))
	rest := make([]int, len(ledger)) // the pasts that are still without a boot
	for k := range of {
		of[k], rest[k] = -1, k
	}
	free := slices.Clone(ledger)
	for i, b := range all {
		k, sure := nearest(free, b)
		if !sure || slices.ContainsFunc(all, func(other Boot) bool { return free[k].fits(other, b) }) {
			continue
		}
		of[rest[k]] = i
		free, rest = slices.Delete(free, k, k+1), slices.Delete(rest, k, k+1)
	}
	return of
}

// unpaired returns the boots of the log that no past is, and that may be past k by
// their place among the others.
func unpaired(all []Boot, of []int, k int) (bs []Boot) {
	from, to := 0, len(all)
	for _, i := range of[:k] {
		from = max(from, i+1)
	}
	for _, i := range of[k+1:] {
		if i >= 0 {
			to = min(to, i)
		}
	}
	for i := from; i < to; i++ {
		if !slices.Contains(of, i) {
			bs = append(bs, all[i])
		}
	}
	return bs
}

// Contradicts reports whether the log and the ledger have different ends of a boot.
func (b Boot) Contradicts(p Past) bool {
	if !b.EndRecorded || p.End == Open {
		return false
	}
	apart := b.To.Sub(p.To).Abs() - max(b.Exact.Within, p.Exact.Within)
	return b.End != p.End || b.Exact.Known && p.Exact.Known && apart > sameMoment
}

// setBackUnder reports whether the last record of b, which is later than the end of p, is by
// the clock before p had it set back: the log has lost the records of that.
func (p Past) setBackUnder(b Boot) bool {
	set := b.From.Add(b.stepped).Sub(p.Began())
	return b.Recorded && p.Up > 0 && set > lateRecord && b.To.Sub(b.From) <= p.Up
}

// startedAfter reports whether p's kernel started after b was recorded: if the log is damaged
// behind that record, p may be a boot that began there.
func (p Past) startedAfter(b Boot) bool {
	return b.Recorded && p.Began().After(b.began().Add(sameMoment))
}

// amended returns b with what p knows besides.
func (b Boot) amended(p Past) Boot {
	if b.Damaged && p.startedAfter(b) {
		return b
	}
	setBack := p.setBackUnder(b)
	if b.Slept, b.SleptKnown = p.slept(); !setBack && b.To.Sub(p.To) > unseen {
		b.Slept, b.SleptKnown = 0, false // the log knows that it went on
	}
	if !b.Recorded && !p.Began().IsZero() {
		b.From, b.Recorded, b.Ledger = p.Began(), true, true
	}
	if began := p.Began(); p.Up > 0 && began.Sub(b.From.Add(b.stepped)).Abs() > lateRecord {
		b.stepped = began.Sub(b.From) // the clock was set, and the kernel counted on
		b.clock.wrong, b.clock.early = false, b.stepped
	}
	if !b.EndRecorded && p.End != Open && (!p.To.Before(b.To.Add(-sameMoment)) || setBack) {
		b.To, b.End, b.Exact, b.By, b.Ledger = p.To, p.End, p.Exact, p.By, true
	}
	return b
}

// notBefore returns a time in b, or its beginning, that a boot before it cannot
// have reached.
func (b Boot) notBefore() time.Time {
	switch {
	case !b.counted.IsZero():
		return b.counted
	case b.Doubtful():
		return b.To
	}
	return b.began()
}

// Lost reports whether the log has no record of b: only a ledger knows it.
func (b Boot) Lost() bool { return b.Ledger && b.whole }

// precedes reports whether a log, before whose first boot p was, may have lost p in damage.
func (p Past) precedes(all []Boot) bool {
	near := func(b Boot) bool { return p.distance(b) < Late }
	return all[0].whole || all[0].lostBefore && !slices.ContainsFunc(all, near)
}

// insert returns all with p where it belongs, if there is room for it.
func insert(all []Boot, p Past) []Boot {
	began := p.Began()
	if began.Before(earliest) {
		return all
	}
	i := 0
	for i < len(all) && !all[i].notBefore().After(began) {
		i++
	}
	if i == 0 && len(all) > 0 && !p.precedes(all) {
		return all // before the log begins
	}
	if i > 0 && (all[i-1].End == Open && !all[i-1].Damaged || began.Before(all[i-1].To.Add(-sameMoment))) ||
		i < len(all) && all[i].notBefore().Before(p.To.Add(-Late)) {
		return all
	}
	b := Boot{From: began, Recorded: true, To: p.To, End: p.End, Exact: p.Exact, By: p.By, Ledger: true, whole: true,
		Damaged: p.End == Open, lostBefore: i < len(all) && all[i].lostBefore}
	b.Slept, b.SleptKnown = p.slept()
	return slices.Insert(all, i, b)
}
