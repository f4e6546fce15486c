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
		amended[i] = all[i].amended(ledger[k], len(rivals(i, over, ledger, of)) > 0)
	}
	return addLost(amended, over, ledger, of), differ
}

// addLost inserts the pasts of which the log has no record, in their order. Where a past may be
// another one of the log's boots or one of its own, it adds nothing, but that a boot may be
// missing beside that one.
func addLost(amended, over []Boot, ledger []Past, of []int) []Boot {
	paired, next := amended, 0
	at := make([]int, len(over)+1) // where the boots of the log are in amended
	for i := range at {
		at[i] = i
	}
	for k, p := range ledger {
		after := func(i int) bool { return i >= 0 && paired[i].notBefore().Before(p.To.Add(-Late)) }
		switch {
		case of[k] >= 0:
			next = max(next, at[of[k]]+1)
			continue
		case slices.ContainsFunc(of[k+1:], after):
			continue
		}
		doubt := slices.DeleteFunc(unpaired(over, of, k), func(i int) bool { return !p.maybe(over[i]) || over[i].follows(ledger[k+1:]) })
		for _, i := range doubt {
			for _, j := range [...]int{at[i], at[i] + 1} {
				if p.bare() && j < len(amended) {
					amended[j].lostBefore = true
				}
			}
		}
		if len(doubt) > 0 {
			continue
		}
		more, place := insert(slices.Clone(amended), p, next)
		if place < 0 {
			continue
		}
		amended, next = more, place+1
		for i := range at {
			if at[i] >= place {
				at[i]++
			}
		}
	}
	return amended
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
	dropCrossed(all, ledger, of)
	pairByPlace(all, ledger, of)
	return of
}

// dropCrossed drops the pairs that only when they began speaks for, and that another pair's place
// speaks against: the log and the ledger have boots in one order.
func dropCrossed(all []Boot, ledger []Past, of []int) {
	sure := func(k int) bool {
		return of[k] >= 0 && (ledger[k].endsWith(all[of[k]]) || ledger[k].Up > 0 && ledger[k].within(all[of[k]]))
	}
	for k := range of {
		if of[k] < 0 || sure(k) {
			continue
		}
		for j := range of {
			if sure(j) && (j < k) != (of[j] < of[k]) {
				of[k] = -1
				break
			}
		}
	}
}

// pairByPlace pairs the boots of the log and the pasts that are without each other, where each
// may only be the other by their place among those that are paired.
func pairByPlace(all []Boot, ledger []Past, of []int) {
	for i, b := range all {
		if slices.Contains(of, i) {
			continue
		}
		k := -1
		for _, j := range rivals(i, all, ledger, of) {
			if k >= 0 || !ledger[j].is(b) {
				k = -1
				break
			}
			k = j
		}
		if k >= 0 && len(unpaired(all, of, k)) == 1 {
			of[k] = i
		}
	}
}

// rivals returns the pasts that are paired with no boot of the log, and that may be boot i by
// their place among the others, and by when they began.
func rivals(i int, all []Boot, ledger []Past, of []int) (ks []int) {
	for k, p := range ledger {
		before := func(j int) bool { return j > i }
		after := func(j int) bool { return j >= 0 && j < i }
		if of[k] < 0 && p.distance(all[i]) < Late && !slices.ContainsFunc(of[:k], before) && !slices.ContainsFunc(of[k+1:], after) {
			ks = append(ks, k)
		}
	}
	return ks
}

// unpaired returns the boots of the log that no past is, and that may be past k by
// their place among the others.
func unpaired(all []Boot, of []int, k int) (is []int) {
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
			is = append(is, i)
		}
	}
	return is
}

// follows reports whether b, a boot of the log, began after one of those pasts.
func (b Boot) follows(ps []Past) bool {
	return slices.ContainsFunc(ps, func(p Past) bool { return p.Up > 0 && p.To.Before(b.From) })
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

// startedAfter reports whether p's kernel may have started after b's last record before the
// log's damage, which was at up: then p is a boot that began there. It did if the clock was not
// set; if it was, p is b, unless other pasts may be b too: some clocks start at one second at
// every boot.
func (p Past) startedAfter(b Boot, up time.Time, rivals bool) bool {
	after := func(began, t time.Time) bool { return began.After(t.Add(sameMoment)) }
	return b.Recorded && after(p.Began(), b.began()) && (after(p.From, b.From) || rivals && after(p.Began(), up))
}

// amended returns b with what p knows besides. rivals: other pasts may be b too.
func (b Boot) amended(p Past, rivals bool) Boot {
	if b.Damaged && p.startedAfter(b, b.To, rivals) {
		return b
	}
	setBack := p.setBackUnder(b)
	if b.Slept, b.SleptKnown = p.slept(); !setBack && b.To.Sub(p.To) > unseen {
		b.Slept, b.SleptKnown = 0, false // the log knows that it went on
	}
	early := b.lostBefore && b.stepped == 0 && p.Up > 0 && same(p.Began(), p.From) && b.From.Before(p.Began().Add(-sameMoment))
	if !p.Began().IsZero() && (!b.Recorded || early) { // a record that is older than the kernel is another boot's
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

// mayPrecede reports whether a log, before whose first boot p was, may have lost p in damage.
func (p Past) mayPrecede(all []Boot) bool {
	near := func(b Boot) bool { return p.distance(b) < Late }
	return all[0].whole || all[0].lostBefore && !slices.ContainsFunc(all, near)
}

// insert returns all with p where it belongs, but not before place least, and its place; -1 if
// there is no room for it.
func insert(all []Boot, p Past, least int) ([]Boot, int) {
	began := p.Began()
	if began.Before(earliest) {
		return all, -1
	}
	i := 0
	for i < len(all) && (i < least || !all[i].notBefore().After(began)) {
		i++
	}
	if i == 0 && len(all) > 0 && !p.mayPrecede(all) {
		return all, -1 // before the log begins
	}
	behind := i > 0 && i == least && all[i-1].Ledger && began.Before(all[i-1].began()) // the clock was
	if i > 0 && (all[i-1].End == Open && !all[i-1].Damaged || !behind && began.Before(all[i-1].To.Add(-sameMoment))) ||
		i < len(all) && all[i].notBefore().Before(p.To.Add(-Late)) {
		return all, -1
	}
	b := Boot{From: began, Recorded: true, To: p.To, End: p.End, Exact: p.Exact, By: p.By, Ledger: true, whole: true,
		Damaged: p.End == Open, lostBefore: i < len(all) && all[i].lostBefore}
	b.Slept, b.SleptKnown = p.slept()
	return slices.Insert(all, i, b), i
}
