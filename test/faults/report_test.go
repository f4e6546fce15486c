// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux && amd64

package faults

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
)

// report counts the points of each kind that were hit.
type report struct {
	plan map[at]seen

	mu    sync.Mutex
	rows  map[at]*row
	lives int
}

// row is one kind of call.
type row struct{ planned, hit, beyond, beyondHit int }

// beyond reports whether not every run is sure to reach the point.
func (r *report) beyond(p point) bool { return p.n > r.plan[at{p.phase, p.kind}].sure() }

// add records the result of a point.
func (r *report) add(t *testing.T, p point, lives int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	where := at{p.phase, p.kind}
	if r.rows[where] == nil {
		r.rows[where] = &row{}
	}
	k := r.rows[where]
	r.lives += lives
	missed, beyond := errors.Is(err, errNotHit), r.beyond(p)
	switch {
	case missed && !beyond:
		t.Errorf("%v: not hit in %d lives", p, lives)
	case !missed && err != nil:
		t.Errorf("%v:\n%v", p, err)
	}
	hit := 1
	if missed {
		hit = 0
	}
	if beyond {
		k.beyond, k.beyondHit = k.beyond+1, k.beyondHit+hit
	} else {
		k.planned, k.hit = k.planned+1, k.hit+hit
	}
}

// print shows for each kind the number of calls, the points planned and hit, and the
// points beyond those that every run reaches.
func (r *report) print(t *testing.T) {
	const form = "%-6s %-42s %5v %5v %8v %5v %7v %5v"
	t.Logf(form, "phase", "call", "least", "most", "planned", "hit", "beyond", "hit")
	var sum row
	for _, where := range slices.SortedFunc(maps.Keys(r.rows), byName) {
		k, s := r.rows[where], r.plan[where]
		t.Logf(form, where.phase, where.kind, s.least, s.most, k.planned, k.hit, k.beyond, k.beyondHit)
		sum = row{sum.planned + k.planned, sum.hit + k.hit, sum.beyond + k.beyond, sum.beyondHit + k.beyondHit}
	}
	t.Logf("%d kinds of call: %d points planned, %d hit; %d beyond, %d hit; %d lives",
		len(r.rows), sum.planned, sum.hit, sum.beyond, sum.beyondHit, r.lives)
}
