// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// patience is how long the look-up of one line may take.
	patience = time.Second
	// maxHanging is how many look-ups may hang. Each costs a thread.
	maxHanging = 8
)

// errHangs is the error of a look-up that was given up.
var errHangs = errors.New("the look-up of its line hangs")

// lines looks up the lines of records, for the whole process: what hangs there hangs in
// the kernel.
var lines = newLookups(findTerminal)

// lookups looks up lines in goroutines that are given up if the kernel does not answer.
// openLine goes nowhere where that can happen, but root can mount anything. The number of
// those given up is bounded. Its methods are safe for concurrent use.
type lookups struct {
	find func(line string) terminal

	mu      sync.Mutex
	hanging map[string]bool // lines whose look-up was given up and has not come back
}

// terminal is what was found under a line.
type terminal struct {
	tty uint32      // its device number in the encoding of /proc/PID/stat
	st  unix.Stat_t // of the device that the line names
	err error       // why there is none; errNoLine: there surely is none
}

func newLookups(find func(string) terminal) *lookups {
	return &lookups{find: find, hanging: map[string]bool{}}
}

// look returns the terminal of each line, in their order, at the latest a second after
// the kernel has stopped answering. A line whose look-up was given up is not looked up
// again before that has come back.
func (l *lookups) look(lines []string) []terminal {
	found := make([]terminal, 0, len(lines))
	var run *lookup
	for _, line := range lines {
		if err := l.refuse(line); err != nil {
			found = append(found, terminal{err: err})
			continue
		}
		if run == nil {
			run = newLookup(l.find)
		}
		t, ok := run.look(line)
		if !ok {
			l.giveUp(line, run)
			t.err, run = errHangs, nil
		}
		found = append(found, t)
	}
	if run != nil {
		close(run.lines)
	}
	return found
}

// refuse returns why a line is not looked up now, if it is not.
func (l *lookups) refuse(line string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.hanging[line]:
		return errHangs
	case len(l.hanging) >= maxHanging:
		return fmt.Errorf("%d look-ups of other lines hang", len(l.hanging))
	}
	return nil
}

// giveUp leaves a look-up to itself. Its late answer is dropped: the next question gets
// a new one.
func (l *lookups) giveUp(line string, run *lookup) {
	l.mu.Lock()
	l.hanging[line] = true
	l.mu.Unlock()
	close(run.lines)
	go func() {
		<-run.found
		l.mu.Lock()
		delete(l.hanging, line)
		l.mu.Unlock()
	}()
}

// lookup is a goroutine that looks up one line after the other.
type lookup struct {
	lines chan string
	found chan terminal // has a buffer of one: nobody may wait any more
	timer *time.Timer
}

func newLookup(find func(string) terminal) *lookup {
	run := &lookup{lines: make(chan string), found: make(chan terminal, 1), timer: time.NewTimer(patience)}
	go func() {
		for line := range run.lines {
			run.found <- find(line)
		}
	}()
	return run
}

// look returns ok false if the answer takes too long.
func (r *lookup) look(line string) (t terminal, ok bool) {
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
