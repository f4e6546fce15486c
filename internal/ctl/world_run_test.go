// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
)

var (
	worldFirst = flag.Uint64("world.first", 1, "the seed of the first world of boots")
	worldCount = flag.Int("world.n", 32, "how many worlds of boots to run")
	worldFails = flag.Int("world.fails", 3, "stop after so many that break a law")
)

// worldTroubles are what has to happen in random worlds of boots, once in so many at least.
var worldTroubles = map[string]int{
	"crash": 1, "shutdown": 1, "suspended": 1, "init was first": 2, "boot that ends before utmpctl boot runs": 8,
	"container started again under one kernel": 2, "the host of a container booted": 6,
	"clock behind, or at a fixed date": 5, "clock wrong at the start": 2, "clock set, recorded": 3, "clock set, not seen": 2,
	"log in memory": 2, "log lost": 8, "log an old copy": 40, "log rotated": 1, "STATE_DIR lost": 8,
	"utmpctl boot again, without its stamp": 3, "utmpctl shutdown did not run": 4,
	"utmpd killed in the boot": 3, "utmpd stopped in the boot": 1,
	"log damaged: a block of NULs": 10, "log damaged: NULs at the end": 10, "log damaged: missing bytes": 30,
	"log damaged: missing bytes at the start": 15, "log damaged: a C library cut a record off": 15,
	"lines that damage has made of several boots": 1000,
	"downtime checked":                            1, "ends: judged, exact": 1, "times up: judged": 1, "times down: judged": 1, "sums: judged": 5,
	"crashes: judged": 1,
}

// worldRun counts over many worlds.
type worldRun struct {
	sync.Mutex
	tally map[string]int
	fails int
}

// TestWorld runs utmpctl in random worlds of boots, and compares what it says with what
// was true.
func TestWorld(t *testing.T) {
	r := worldRun{tally: map[string]int{}}
	t.Run("worlds", func(t *testing.T) {
		for i := range uint64(*worldCount) {
			t.Run(fmt.Sprint(*worldFirst+i), func(t *testing.T) {
				t.Parallel() // each waits for the disk
				r.world(t, *worldFirst+i)
			})
		}
	})
	for _, what := range slices.Sorted(maps.Keys(r.tally)) {
		t.Logf("%10d %s", r.tally[what], what)
	}
	if t.Failed() || *worldCount < 1000 {
		return // chance alone
	}
	for what, in := range worldTroubles {
		if r.tally[what] < *worldCount/in {
			t.Errorf("%s: %d times in %d worlds, want one in %d at least", what, r.tally[what], *worldCount, in)
		}
	}
}

// worldsFound are worlds in which something untrue was told once: of boots whose clock starts at
// one time, or is set unseen, beside damage and lost files.
var worldsFound = [...]uint64{
	1553, 1733, 640257, 640398, 640561, 640759, 641283, 641480, 641601, 641657, 641860, 642420, 642765, 642799, 642937,
	700114, 700356, 701888, 702101, 702129, 800964, 801183, 801344, 801347, 801534, 802440, 802933,
	900787, 901349, 901531, 901908, 902020, 902737,
	1000340, 1000989, 1001220, 1001298, 1002156, 1002492, 1002805, 1002853,
}

func TestWorldsFound(t *testing.T) {
	r := worldRun{tally: map[string]int{}}
	for _, seed := range worldsFound {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r.world(t, seed)
		})
	}
}

// world runs one world, unless enough have broken a law.
func (r *worldRun) world(t *testing.T, seed uint64) {
	r.Lock()
	enough := r.fails >= *worldFails
	r.Unlock()
	if enough {
		return
	}
	w := newWorld(t, seed)
	w.live()
	r.Lock()
	defer r.Unlock()
	for what, n := range w.tally {
		r.tally[what] += n
	}
	if len(w.wrong) == 0 {
		return
	}
	r.fails++
	t.Errorf("seed %d:\n%s", seed, w)
	for _, text := range w.wrong {
		t.Error(text)
	}
}
