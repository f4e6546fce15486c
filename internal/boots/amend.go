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
// difference is returned.
func Amend(all []Boot, ledger []Past) ([]Boot, []Difference) {
	all = slices.Clone(all)
	var differ []Difference
	rest := slices.Clone(ledger)
	for i := range all {
		k, sure := nearest(rest, all[i])
		if !sure {
			continue
		}
		if contradicts(all[i], rest[k]) {
			differ = append(differ, Difference{all[i], rest[k]})
		}
		all[i] = all[i].amended(rest[k])
		rest = slices.Delete(rest, k, k+1)
	}
	for _, p := range rest {
		all = insert(all, p)
	}
	return all, differ
}

// contradicts reports whether the log and the ledger have different ends.
func contradicts(b Boot, p Past) bool {
	if !b.EndRecorded {
		return false
	}
	apart := b.To.Sub(p.To).Abs() - max(b.Exact.Within, p.Exact.Within)
	return b.End != p.End || b.Exact.Known && p.Exact.Known && apart > sameMoment
}

// amended returns b with what p knows besides.
func (b Boot) amended(p Past) Boot {
	b.Slept, b.SleptKnown = p.Slept, p.Up > 0
	if !b.Recorded && !p.Began().IsZero() {
		b.From, b.Recorded, b.Ledger = p.Began(), true, true
	}
	if began := p.Began(); p.Up > 0 && began.Sub(b.From.Add(b.stepped)).Abs() > lateRecord {
		b.stepped = began.Sub(b.From) // the clock was set, and the kernel counted on
		b.clock.wrong, b.clock.early = false, b.stepped
	}
	if !b.EndRecorded && !p.To.Before(b.To.Add(-sameMoment)) {
		b.To, b.End, b.Exact, b.By, b.Ledger = p.To, p.End, p.Exact, p.By, true
	}
	return b
}

// insert returns all with p where it belongs, if there is room for it.
func insert(all []Boot, p Past) []Boot {
	began := p.Began()
	if began.Before(earliest) {
		return all
	}
	i := 0
	for i < len(all) && !all[i].From.After(began) {
		i++
	}
	if i == 0 && len(all) > 0 && !all[0].Ledger {
		return all // before the log begins
	}
	if i > 0 && (all[i-1].End == Open || began.Before(all[i-1].To.Add(-sameMoment))) ||
		i < len(all) && all[i].From.Before(p.To.Add(-bootLate)) {
		return all
	}
	return slices.Insert(all, i, Boot{From: began, Recorded: true, To: p.To, End: p.End, Exact: p.Exact, By: p.By,
		Slept: p.Slept, SleptKnown: p.Up > 0, Ledger: true})
}
