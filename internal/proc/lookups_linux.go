// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long the look-up of one line may take.
const patience = time.Second

// errHangs is the error of a look-up that was given up.
var errHangs = errors.New("the look-up of its line hangs")

// hanging are the look-ups of the whole process that were given up: what hangs there hangs
// in the kernel.
var hanging given

// lines looks up the lines of records, and holds the terminals of some.
var (
	lines = &lookups[terminal]{find: findTerminal, failed: noTerminal, drop: func(terminal) {}, given: &hanging}
	holds = &lookups[holding]{find: openTerminal, failed: noHold, drop: holding.drop, given: &hanging}
)

// lookups looks up lines in goroutines that are given up if the kernel does not answer.
// openLine goes nowhere where that can happen, but root can mount anything. The number of
// those given up is bounded. Its methods are safe for concurrent use.
type lookups[T any] struct {
	find   func(line string) T
	failed func(err error) T
	drop   func(T) // takes an answer that comes too late
	given  *given
}

// given are the lines whose look-up was given up and has not come back.
type given struct {
	mu      sync.Mutex
	hanging map[string]bool
}

// terminal is what was found under a line.
type terminal struct {
	tty uint32      // its device number in the encoding of /proc/PID/stat
	st  unix.Stat_t // of the device that the line names
	err error       // why there is none; errNoLine: there surely is none
}

func noTerminal(err error) terminal { return terminal{err: err} }

// look returns the terminal of each line, in their order, at the latest a second after
// the kernel has stopped answering. A line whose look-up was given up is not looked up
// again before that has come back.
func (l *lookups[T]) look(lines []string) []T {
	found := make([]T, 0, len(lines))
	var run *lookup[T]
	for _, line := range lines {
		if err := l.given.refuse(line); err != nil {
			found = append(found, l.failed(err))
			continue
		}
		if run == nil {
			run = newLookup(l.find)
		}
		t, ok := run.look(line)
		if !ok {
			l.giveUp(line, run)
			t, run = l.failed(errHangs), nil
		}
		found = append(found, t)
	}
	if run != nil {
		close(run.lines)
	}
	return found
}

// refuse returns why a line is not looked up now, if it is not.
func (g *given) refuse(line string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.hanging[line]:
		return errHangs
	case len(g.hanging) >= MaxHanging:
		return fmt.Errorf("%d look-ups of other lines hang", len(g.hanging))
	}
	return nil
}

func (g *given) set(line string, hangs bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.hanging == nil {
		g.hanging = map[string]bool{}
	}
	if g.hanging[line] = hangs; !hangs {
		delete(g.hanging, line)
	}
}

// giveUp leaves a look-up to itself. Its late answer is dropped: the next question gets
// a new one.
func (l *lookups[T]) giveUp(line string, run *lookup[T]) {
	l.given.set(line, true)
	close(run.lines)
	go func() {
		l.drop(<-run.found)
		l.given.set(line, false)
	}()
}

// lookup is a goroutine that looks up one line after the other.
type lookup[T any] struct {
	lines chan string
	found chan T // has a buffer of one: nobody may wait any more
	timer *time.Timer
}

func newLookup[T any](find func(string) T) *lookup[T] {
	run := &lookup[T]{lines: make(chan string), found: make(chan T, 1), timer: time.NewTimer(patience)}
	go func() {
		for line := range run.lines {
			run.found <- find(line)
		}
	}()
	return run
}

// look returns ok false if the answer takes too long.
func (r *lookup[T]) look(line string) (t T, ok bool) {
	r.timer.Reset(patience)
	r.lines <- line
	select {
	case t = <-r.found:
		r.timer.Stop()
		return t, true
	case <-r.timer.C:
		return t, false
	}
}
