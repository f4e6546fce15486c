// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"slices"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// settleHoles returns the boots with their holes closed where the ledger shows that the
// boot went on, and parted there where it ended, or another one began.
func settleHoles(all []Boot, ledger []Past, present *Present) []Boot {
	if !slices.ContainsFunc(all, Boot.Holed) {
		return all
	}
	var settled []Boot
	of := pair(all, ledger)
	for i, b := range all {
		known := ofBoot(i, all, ledger, of)
		holes := b.holes
		if b.holes = nil; present.runs(all, i) {
			holes = nil // the kernel has counted on
		}
		var before time.Duration // the steps of the boots that b was parted from
		for n, h := range holes {
			h.stepped, h.later = h.stepped-before, b.stepped-h.stepped+before
			h.last = n == len(holes)-1
			began := h.presentBegan(b, present, i == len(all)-1)
			switch {
			case began.IsZero() && h.closedBy(b, known):
			case began.IsZero() && !h.parts(b, &known):
				b.holes = append(b.holes, h)
			default:
				var first Boot
				first, b = b.part(h)
				settled = append(settled, first)
				before += first.stepped
				if !began.IsZero() {
					b.From, b.Recorded = began, true
				}
			}
		}
		settled = append(settled, b)
	}
	return settled
}

// pasts are those of a ledger that may tell of one boot of the log.
type pasts struct {
	own  []Past // it is the boot
	free []Past // the log has no boot that they are
}

func ofBoot(i int, all []Boot, ledger []Past, of []int) (ps pasts) {
	if !all[i].Holed() {
		return ps
	}
	for k, p := range ledger {
		near := func(b Boot) bool { return p.distance(b) < Late }
		switch {
		case of[k] == i:
			ps.own = append(ps.own, p)
		case of[k] < 0 && !p.bare() && !slices.ContainsFunc(all[:i], near) && !slices.ContainsFunc(all[i+1:], near):
			ps.free = append(ps.free, p)
		}
	}
	if len(ps.own) == 0 {
		ps.free = slices.DeleteFunc(ps.free, func(p Past) bool { return p.distance(all[i]) < Late }) // one may be the boot
	}
	return ps
}

// has reports whether t is in the hole, if the clock was set before it.
func (h hole) has(t time.Time) bool {
	return !unset(h.from) && !t.Before(h.from.Add(-sameMoment)) && !t.After(h.to.Add(max(0, h.later)+sameMoment))
}

// closedBy reports whether the ledger knows that b was up to its last record.
func (h hole) closedBy(b Boot, known pasts) bool {
	near := func(p Past) bool { return p.distance(b) < Late }
	return len(known.own) == 1 && !known.own[0].startedAfter(b, h.from, false) && !b.From.Before(earliest) && !h.to.Before(h.from) && !slices.ContainsFunc(known.free, near) &&
		!known.own[0].To.Before(latest(h.to, b.To).Add(-sameMoment)) && (known.own[0].endsWith(b) || !h.parts(b, &known))
}

// parts reports whether the ledger knows that b ended in the hole, or that another boot
// began there, which then is what known is about.
func (h hole) parts(b Boot, known *pasts) bool {
	for i, p := range slices.Backward(known.free) {
		if began := p.Began(); !began.IsZero() && (h.has(began) || h.last && b.EndRecorded && p.Exact.Known && same(p.To, b.To)) {
			known.own, known.free = []Past{p}, known.free[i+1:]
			return true
		}
	}
	if slices.ContainsFunc(known.own, func(p Past) bool { return b.Recorded && p.Exact.Known && h.has(p.To) && !same(p.To, b.To) }) {
		known.own = nil
		return true
	}
	return false
}

// presentBegan returns when the present boot began, if that was in the hole of the log's
// last boot; else zero.
func (h hole) presentBegan(b Boot, present *Present, last bool) time.Time {
	if present == nil || !last || b.End != Open || present.Is(b) {
		return time.Time{}
	}
	_, of := b.part(h)
	of.From, of.Recorded = present.Now.Add(-present.Uptime), true
	if !h.has(of.From) || !present.Is(of) {
		return time.Time{}
	}
	return of.From
}

// part returns the boots before and after a hole.
func (b Boot) part(h hole) (first, rest Boot) {
	first, rest = b, Boot{From: h.to, To: b.To, End: b.End, Exact: b.Exact, By: b.By, EndRecorded: b.EndRecorded,
		Damaged: b.Damaged, lostBefore: true, stepped: b.stepped - h.stepped, leveled: true}
	at := utmpx.TimeOf(h.to)
	rest.clock = settling{ended: utmpx.TimeOf(h.from), first: at, settled: at}
	first.To, first.End, first.Exact, first.By, first.EndRecorded = h.from, Open, Exactness{}, "", false
	first.Damaged, first.stepped = true, h.stepped
	return first, rest
}
