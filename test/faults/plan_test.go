// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux && amd64

package faults

import (
	"cmp"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// references is the number of runs without faults on which the plan is based.
const references = 5

// A point that every one of them reached must be hit within a number of lives. A
// point that only some reached (a batch of deaths may be seen in one piece or in two)
// is tried and reported, but scheduling may prevent it.
const (
	livesPlanned = 40
	livesBeyond  = 4
)

// seen is the number of calls of a kind in the runs without faults.
type seen struct{ least, most int }

// many is a number of calls that depends on the load: what is asked about processes is
// answered in one pass for all that waits, and there are fewer passes on a slow machine.
const many = 50

// sure returns how many calls of the kind are made in every run, whatever the load.
func (s seen) sure() int {
	if s.least >= many {
		return s.least / 3
	}
	return s.least
}

// uninjured runs the daemon without faults and returns how many calls of each kind it
// makes, and what is wrong afterwards.
var uninjured = sync.OnceValues(func() (map[at]seen, error) {
	runs := make([]map[at]int, references)
	failed := make([]error, references)
	each(references, func(i int) { runs[i], failed[i] = try(nil) })
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	plan := map[at]seen{}
	for _, run := range runs {
		for where := range run {
			s := seen{least: run[where]}
			for _, other := range runs {
				s.least, s.most = min(s.least, other[where]), max(s.most, other[where])
			}
			plan[where] = s
		}
	}
	return plan, nil
})

// each calls f for 0 to n-1, with as many concurrent calls over all tests as there are
// workers.
func each(n int, f func(int)) {
	var all sync.WaitGroup
	for i := range n {
		host.workers <- struct{}{}
		all.Go(func() {
			f(i)
			<-host.workers
		})
	}
	all.Wait()
}

// TestKilledAnywhere kills the daemon before and after its calls and restarts it.
func TestKilledAnywhere(t *testing.T) {
	strike(t, 150, func(where at, n int, sample *rand.Rand) []point {
		before := point{where.phase, where.kind, n, killBefore, 0}
		after := before
		after.blow = killAfter
		if sample == nil {
			return []point{before, after}
		}
		return []point{[]point{before, after}[sample.IntN(2)]}
	})
}

// errnos are the errors that the calls are made to return.
var errnos = []unix.Errno{unix.EIO, unix.ENOSPC, unix.EINTR, unix.EAGAIN, unix.EMFILE, unix.ENOMEM, unix.ESTALE}

// TestErrorsAnywhere makes the daemon's calls fail, one in each life.
func TestErrorsAnywhere(t *testing.T) {
	strike(t, 110, func(where at, n int, sample *rand.Rand) (points []point) {
		if sample != nil {
			return []point{{where.phase, where.kind, n, fail, errnos[sample.IntN(len(errnos))]}}
		}
		for _, errno := range errnos {
			points = append(points, point{where.phase, where.kind, n, fail, errno})
		}
		return points
	})
}

// TestErrorsThatLast makes all calls of a kind fail for some seconds.
func TestErrorsThatLast(t *testing.T) {
	strike(t, 60, func(where at, n int, sample *rand.Rand) (points []point) {
		if n > 1 && sample == nil || where.phase == phaseEnd {
			return nil
		}
		if sample != nil {
			return []point{{where.phase, where.kind, 1, failLong, errnos[sample.IntN(len(errnos))]}}
		}
		for _, errno := range errnos {
			points = append(points, point{where.phase, where.kind, 1, failLong, errno})
		}
		return points
	})
}

// TestHangsAnywhere has a call on a file not come back. What needs that file waits.
// Nothing else does, the end by SIGTERM neither.
func TestHangsAnywhere(t *testing.T) {
	strike(t, 60, func(where at, n int, sample *rand.Rand) []point {
		if n > 1 && sample == nil || where.phase == phaseStart || !mayHang(where.kind) {
			return nil
		}
		return []point{{where.phase, where.kind, 1, hang, 0}} // the first one after the deaths
	})
}

// mayHang reports whether a call is one on the two files or on the note, whose file
// system may be a disk or a server.
func mayHang(kind string) bool {
	if strings.HasPrefix(kind, "fcntl GETFL ") { // the kernel looks at the open file alone (fs/fcntl.c)
		return false
	}
	for _, file := range []string{" utmp", " wtmp", " state", " state/heartbeat", " state/heartbeat.new.N"} {
		if strings.HasSuffix(kind, file) {
			return true
		}
	}
	return false
}

// strike plans points, tries them all, and reports the result. Without -long it tries a
// sample of the given size: one of the calls of some kinds.
func strike(t *testing.T, quick int, choose func(where at, n int, sample *rand.Rand) []point) {
	t.Parallel()
	plan, err := uninjured()
	if err != nil {
		t.Fatalf("in runs in which nothing is done to utmpd: %v", err)
	}
	from := cmp.Or(*seed, uint64(time.Now().UnixNano()))
	sample := rand.New(rand.NewPCG(from, 0))
	var points []point
	for _, where := range slices.SortedFunc(maps.Keys(plan), byName) {
		if !*long {
			points = append(points, choose(where, 1+sample.IntN(max(1, plan[where].sure())), sample)...)
			continue
		}
		for n := range plan[where].most {
			points = append(points, choose(where, n+1, nil)...)
		}
	}
	if *only != "" {
		points = slices.DeleteFunc(points, func(p point) bool { return !strings.Contains(p.String(), *only) })
	}
	points = slices.DeleteFunc(points, impossible)
	sample.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	if !*long && *only == "" {
		points = spread(points, quick)
	}
	began := time.Now()
	r := report{plan: plan, rows: map[at]*row{}}
	each(len(points), func(i int) {
		most := livesPlanned
		if r.beyond(points[i]) {
			most = livesBeyond
		}
		lives, err := tryHard(points[i], most)
		r.add(t, points[i], lives, err)
	})
	r.print(t)
	t.Logf("in %v; seed %d", time.Since(began).Round(time.Second), from)
}

// impossible reports whether no kernel returns that error. For a file that can be
// polled, Go takes EAGAIN to mean that the kernel will notify it; this file notifies
// only when the mounts change.
func impossible(p point) bool {
	return p.errno == unix.EAGAIN && p.kind == "read /proc/PID/mountinfo"
}

// spread returns n or slightly more of the points: one for each call in each phase,
// whatever it works on, and then others in their order.
func spread(points []point, n int) []point {
	had := map[at]bool{}
	var first, rest []point
	for _, p := range points {
		name, _, _ := strings.Cut(strings.TrimPrefix(p.kind, byRuntime), " ")
		if where := (at{p.phase, name}); had[where] {
			rest = append(rest, p)
		} else {
			had[where] = true
			first = append(first, p)
		}
	}
	return append(first, rest[:min(len(rest), max(0, n-len(first)))]...)
}

func byName(a, b at) int { return cmp.Or(cmp.Compare(a.phase, b.phase), cmp.Compare(a.kind, b.kind)) }

// tryHard tries a point until it is hit, up to a number of lives.
func tryHard(p point, most int) (lives int, err error) {
	for lives = 1; ; lives++ {
		if _, err = try(&p); !errors.Is(err, errNotHit) || lives == most {
			return lives, err
		}
	}
}
