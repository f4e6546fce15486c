// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// onOneProcessor has a test run on one processor, where the order in which
// goroutines go on is the world's, and a schedule runs again as it ran.
func onOneProcessor(t *testing.T) {
	was := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(was) })
}

// search runs random schedules from that seed on, n of them or up to that time.
// It returns what was counted in so many.
func search(t *testing.T, first uint64, n int, end time.Time) (tally simTally, done int) {
	onOneProcessor(t)
	// A world is small and leaves much behind: with this, memory is collected
	// every few hundred worlds and not in each.
	ballast := make([]byte, 64<<20)
	defer runtime.KeepAlive(ballast)
	tally = simTally{}
	for failed := 0; done < n && failed < *simFails && (end.IsZero() || time.Now().Before(end)); done++ {
		seed := first + uint64(done)**simStep
		s := newSchedule(seed)
		wrong, its := runSchedule(t, s, nil)
		tally.add(its)
		if wrong != nil {
			failed++
			report(t, seed, s, wrong)
		}
	}
	return tally, done
}

// searchAll does the same on all processors, in a program of its own on each. If
// one finds what breaks a law, the others end.
func searchAll(t *testing.T, first uint64, n int) (tally simTally, done int) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	tally = simTally{}
	var programs sync.WaitGroup
	many := runtime.GOMAXPROCS(0)
	if *simTime == 0 {
		many = min(many, n)
	}
	for i := range many {
		file := filepath.Join(t.TempDir(), fmt.Sprint(i))
		args := []string{
			"-test.run", "^TestSim$", "-test.v", "-test.timeout", "0", "-sim.fails", fmt.Sprint(*simFails), "-sim.tally", file,
			"-sim.first", fmt.Sprint(first + uint64(i)), "-sim.step", fmt.Sprint(many),
		}
		if *simTime > 0 {
			args = append(args, "-sim.time", simTime.String())
		} else {
			args = append(args, "-sim.n", fmt.Sprint((n-i+many-1)/many))
		}
		programs.Go(func() {
			out, err := exec.CommandContext(ctx, os.Args[0], args...).CombinedOutput()
			if ctx.Err() != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				cancel()
				t.Errorf("%v\n%s", err, out)
			}
			done += tally.read(t, file)
		})
	}
	programs.Wait()
	return tally, done
}

// counted is how a tally is handed from one program to another.
type counted struct {
	Schedules int
	Tally     simTally
}

func (t simTally) write(tb testing.TB, file string, schedules int) {
	b, err := json.Marshal(counted{schedules, t})
	if err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// read adds what a file holds, and returns in how many schedules that was counted.
func (t simTally) read(tb testing.TB, file string) int {
	var c counted
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		tb.Error(err)
	}
	t.add(c.Tally)
	return c.Schedules
}
