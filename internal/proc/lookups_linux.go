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
// A route goes nowhere where that can happen, but root can mount anything. The number of
// those given up is bounded. Its methods are safe for concurrent use.
type lookups[T any] struct {
	find   func(way *route, line string) T
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
	for len(found) < len(lines) {
		rest := lines[len(found):]
		n, err := l.given.admits(rest)
		if n == 0 {
			found = append(found, l.failed(err))
			continue
		}
		answers, hangs := l.begin(rest[:n]).await()
		found = append(found, answers...)
		if hangs {
			found = append(found, l.failed(errHangs))
		}
	}
	return found
}

// admits returns how many of the first lines may be looked up now, and, if that is none, why.
func (g *given) admits(lines []string) (n int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.hanging) >= MaxHanging && !g.hanging[lines[0]] {
		return 0, fmt.Errorf("%d look-ups of other lines hang", len(g.hanging))
	}
	for n < len(lines) && !g.hanging[lines[n]] {
		n++
	}
	return n, errHangs
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

// lookup is a goroutine that looks up one line after the other.
type lookup[T any] struct {
	all  *lookups[T]
	done chan struct{} // closed after the last line

	mu    sync.Mutex
	lines []string
	found []T       // of the first lines
	since time.Time // when the look-up of the next one began
	left  bool      // nobody waits for it any more
}

func (l *lookups[T]) begin(lines []string) *lookup[T] {
	run := &lookup[T]{all: l, done: make(chan struct{}), lines: lines, found: make([]T, 0, len(lines)), since: time.Now()}
	go run.run()
	return run
}

func (r *lookup[T]) run() {
	var way route
	for _, line := range r.lines {
		if found := r.all.find(&way, line); !r.take(found) {
			way.end()
			r.all.drop(found)
			r.all.given.set(line, false)
			return
		}
	}
	way.end()
	close(r.done)
}

// take takes in an answer. It reports false if that comes too late.
func (r *lookup[T]) take(found T) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left {
		return false
	}
	r.found, r.since = append(r.found, found), time.Now()
	return true
}

// await returns the answers of the first lines. hangs is true if the next one takes too long:
// it is then left to itself.
func (r *lookup[T]) await() (found []T, hangs bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case <-r.done:
			return r.found, false
		case <-timer.C:
		}
		left := r.giveUp()
		if left <= 0 {
			return r.found, true
		}
		timer.Reset(left)
	}
}

// giveUp leaves a look-up to itself if it hangs. It returns what is left of the patience.
func (r *lookup[T]) giveUp() (left time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.found) == len(r.lines) {
		return patience // it is about to say so
	}
	if left = patience - time.Since(r.since); left <= 0 {
		r.left = true
		r.all.given.set(r.lines[len(r.found)], true)
	}
	return left
}
