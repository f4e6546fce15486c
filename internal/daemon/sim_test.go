// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run the schedule of this seed alone, and tell what happens")
	simCount = flag.Int("sim.n", 0, "how many random schedules to run")
	simTime  = flag.Duration("sim.time", 0, "run random schedules for so long")
	simFirst = flag.Uint64("sim.first", 0, "begin the random schedules with this seed; 0 is anywhere")
	simFails = flag.Int("sim.fails", 1, "stop after so many random schedules that break a law")
	simStep  = flag.Uint64("sim.step", 1, "of the random schedules, run one in so many")
	simFile  = flag.String("sim.file", "", "run the schedule in this file alone, and tell what happens")

	simTallyTo = flag.String("sim.tally", "", "write what was counted to this file: see searchAll")
)

// runSchedule runs utmpd in a world of its own and returns which laws broke. It
// panics if something of utmpd's hangs when all is over.
func runSchedule(t *testing.T, s simSchedule, log *bytes.Buffer) (wrong []string, tally simTally) {
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Sprintf("%v\n%s\n%s", p, strings.Join(wrong, "\n"), s))
		}
	}()
	synctest.Test(t, func(*testing.T) {
		w := newSimWorld(s.settings(), log)
		w.start(0)
		time.Sleep(100 * time.Millisecond)
		for _, e := range s.Events {
			w.happen(e)
		}
		w.finish()
		wrong, tally = w.wrong, w.tally
	})
	return wrong, tally
}

// finish leaves the world alone and then ends it, checking the laws on the way.
func (w *simWorld) finish() {
	alone := 2*w.scan + time.Minute
	w.leaveAlone()
	time.Sleep(alone)
	w.checkMarked(false)
	w.mu.Lock()
	w.noteAtRest()
	w.tell("all processes end")
	for _, s := range w.sessions {
		w.gone(s.proc, true)
		w.gone(s.leader, true)
		w.gone(s.witness, true)
	}
	for _, pid := range slices.Sorted(maps.Keys(w.procs)) {
		w.gone(w.procs[pid], true)
	}
	w.mu.Unlock()
	time.Sleep(alone)
	w.checkMarked(true)
	w.checkLog()
	w.mu.Lock()
	w.tell("all records are cleaned")
	for _, s := range w.sessions {
		if w.slotOf(s) >= 0 {
			w.clean(s, true, false)
		}
	}
	w.files.Change(utmpName, func(data []byte) []byte { return data[:len(data)/simLayout.Size()*simLayout.Size()] })
	w.fileChanged()
	w.mu.Unlock()
	time.Sleep(w.scan + 3*time.Minute) // logins alone wait for a file without records to have them again
	synctest.Wait()
	w.mu.Lock()
	w.checkEmpty()
	w.mu.Unlock()
	w.stop()
}

// TestSim runs utmpd in simulated worlds, in which random things happen, and
// checks the laws of docs/architecture.md. A schedule that breaks one is made
// short and told; as a file in testdata/sim it stays.
func TestSim(t *testing.T) {
	if *simFile != "" {
		text, err := os.ReadFile(*simFile)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseSchedule(text)
		if err != nil {
			t.Fatal(err)
		}
		simTell(t, s)
		return
	}
	if *simSeed != 0 {
		simTell(t, newSchedule(*simSeed))
		return
	}
	n, end := *simCount, time.Time{}
	switch {
	case *simTime > 0:
		n, end = math.MaxInt, time.Now().Add(*simTime)
	case n == 0:
		t.Log("no random schedules without -sim.n or -sim.time: see make sim")
		return
	}
	first := *simFirst
	if first == 0 {
		first = 1 + rand.Uint64N(1<<40)
	}
	if *simTallyTo != "" {
		its, done := search(t, first, n, end)
		its.write(t, *simTallyTo, done)
		return
	}
	t.Logf("schedules from seed %d on", first)
	began := time.Now()
	tally, done := searchAll(t, first, n)
	t.Logf("%d schedules in %v\n%s", done, time.Since(began).Round(time.Millisecond), tally)
	if !t.Failed() {
		tally.check(t, done)
	}
}

// simTell runs one schedule and logs what happens.
func simTell(t *testing.T, s simSchedule) {
	onOneProcessor(t)
	var log bytes.Buffer
	wrong, tally := runSchedule(t, s, &log)
	t.Logf("%s\n%s\n%s", s, log.String(), tally)
	for _, text := range wrong {
		t.Error(text)
	}
}

// report makes a failing schedule as short as it can be, and logs it.
func report(t *testing.T, seed uint64, s simSchedule, wrong []string) {
	small := shrink(t, s, wrong)
	var log bytes.Buffer
	again, _ := runSchedule(t, small, &log)
	t.Errorf("seed %d:\n%s\nshrunk (run it with -sim.file):\n%s\n%s\n%s", seed, strings.Join(wrong, "\n"), small, strings.Join(again, "\n"), log.String())
}

// law returns the number of the law that a text says is broken.
func law(text string) string {
	_, text, _ = strings.Cut(text, "law ")
	return text[:1]
}

// shrinkOrders are how many orders are tried besides a schedule's own: what is left
// out of it shifts the places at which its goroutines let others go on first.
const shrinkOrders = 8

// shrink leaves out events as long as the same law breaks.
func shrink(t *testing.T, s simSchedule, wrong []string) simSchedule {
	breaks := func(less simSchedule) bool {
		for order := range uint64(shrinkOrders) {
			again, _ := runSchedule(t, less, nil)
			for _, text := range again {
				if law(text) == law(wrong[0]) {
					s = less
					return true
				}
			}
			less.Order = order
		}
		return false
	}
	for size := len(s.Events) / 2; size > 0; {
		shorter := false
		for at := 0; at+size <= len(s.Events); {
			less := s
			less.Events = slices.Delete(slices.Clone(s.Events), at, at+size)
			if breaks(less) {
				shorter = true
				continue
			}
			at += size
		}
		if !shorter || size > 1 {
			size /= 2
		}
	}
	for i := range s.Events { // what can be simpler is
		for _, simpler := range []func(e *simEvent){
			func(e *simEvent) { e.At = "" }, func(e *simEvent) { e.C = 0 },
			func(e *simEvent) { e.After = time.Millisecond }, func(e *simEvent) { e.B = 0 },
			func(e *simEvent) { e.A = 0 },
		} {
			less := s
			less.Events = slices.Clone(s.Events)
			simpler(&less.Events[i])
			breaks(less)
		}
	}
	return s
}

// TestNamedSchedules runs the schedules that once broke a law.
func TestNamedSchedules(t *testing.T) {
	onOneProcessor(t)
	files, err := filepath.Glob("testdata/sim/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := parseSchedule(text)
			if err != nil {
				t.Fatal(err)
			}
			for range 10 { // as it is told, and in other orders
				if wrong, _ := runSchedule(t, s, nil); wrong != nil {
					t.Fatalf("order %d: %s", s.Order, strings.Join(wrong, "\n"))
				}
				s.Order++
			}
		})
	}
}
