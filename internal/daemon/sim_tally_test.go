package daemon

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// simTally counts what happened in simulated worlds, what of the laws was
// judged there, and what was left out of it.
type simTally map[string]int

func (w *simWorld) count(what string) { w.tally[what]++ }

func (t simTally) add(o simTally) {
	for what, n := range o {
		t[what] += n
	}
}

func (t simTally) String() string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(&b, "%10d %s\n", t[what], what)
	}
	return b.String()
}

// simTroubles are what has to happen in random schedules, at least once in so
// many of them: else they would prove less than they seem to.
var simTroubles = map[string]int{}

// simShares are how much of what could be judged must have been, in percent.
var simShares = []struct {
	what, of string
	least    int
}{}

// check fails if too little happened in n schedules, or was judged.
func (t simTally) check(tb testing.TB, n int) {
	if n < 2000 {
		return // chance alone
	}
	for what, in := range simTroubles {
		if t[what] < n/in {
			tb.Errorf("%s: %d times in %d schedules, want one in %d at least", what, t[what], n, in)
		}
	}
	for _, s := range simShares {
		share := 100 * float64(t[s.what]) / float64(max(1, t[s.of]))
		tb.Logf("%s: %.1f %% of %s", s.what, share, s.of)
		if share < float64(s.least) {
			tb.Errorf("%s: %d of %d %s, want %d %% at least", s.what, t[s.what], t[s.of], s.of, s.least)
		}
	}
}

// countPut counts what a record that is put somewhere means to those there.
func (w *simWorld) countPut(data []byte, at int, r utmpx.Record) {
	if r.Type != utmpx.UserProcess {
		return
	}
	size := simLayout.Size()
	for off := 0; off+size <= len(data); off += size {
		o := w.byRaw[string(data[off:off+size])]
		switch {
		case o == nil:
		case off != at && o.rec.Line == r.Line && r.Line != "":
			w.count("line in several records")
		case off == at && !o.lives() && o.judgedAt.Equal(time.Now()):
			w.count("slot reused between judgement and lock")
		case off == at && !o.lives():
			w.count("slot reused, its session dead")
		}
	}
	if r.Line == "" {
		w.count("record without a line")
	}
}
