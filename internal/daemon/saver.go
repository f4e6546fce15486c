// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"utmpd.dev/utmpd/internal/state"
)

const (
	// saveEvery is the least time between two writes of the table.
	saveEvery = time.Second
	// saveSoon is the time from a change to its write. A login is seen in its record, then in
	// its process, and both are one write.
	saveSoon = 50 * time.Millisecond
)

// saver writes the table for a later run: whole at first, then what has changed. The loop,
// which must not wait for a disk, schedules and saves; run writes.
type saver struct {
	store journal // nil: nothing is written
	log   *slog.Logger
	begin func() (done func()) // around each save
	next  chan saving          // holds one, with all that waits
	retry chan struct{}        // run wants a whole table, since changes could not be added

	whole atomic.Bool // the next to be saved must be whole

	// Of the loop's goroutine.
	due       *time.Timer // fires when a scheduled save is due
	scheduled bool
	last      time.Time // of the last save

	// Of run's goroutine.
	failing bool
	held    []func() // what follows changes that could not be added
}

// saving is what to write, and what to call after that.
type saving struct {
	whole   *state.State   // nil: changes alone
	changes []state.Change // since that
	then    []func()
}

// waitingMost is how many changes may wait for a disk: then a whole table takes their place.
const waitingMost = 16

func newSaver(to journal, log *slog.Logger) *saver {
	s := &saver{store: to, log: log, next: make(chan saving, 1), retry: make(chan struct{}, 1), due: time.NewTimer(time.Hour)}
	s.begin = func() func() { return func() {} }
	s.due.Stop()
	return s
}

// schedule has due fire soon, and saveEvery after the last save at the earliest.
func (s *saver) schedule() {
	if s.store != nil && !s.scheduled {
		s.scheduled = true
		s.due.Reset(max(saveSoon, saveEvery-time.Since(s.last)))
	}
}

// mustBeWhole reports whether the next to be saved must be a whole table, which the caller
// sees to.
func (s *saver) mustBeWhole() bool { return s.whole.Swap(false) }

// save hands run a whole table, in place of all that it has not taken yet, or changes, in
// addition to that. After the write, whether it succeeded or not, run calls next.then. save
// does not block.
func (s *saver) save(next saving) {
	s.last, s.scheduled = time.Now(), false
	s.due.Stop()
	select {
	case old := <-s.next:
		next.then = append(old.then, next.then...)
		if next.whole == nil {
			next.whole, next.changes = old.whole, append(old.changes, next.changes...)
		}
		if len(next.changes) >= waitingMost {
			s.whole.Store(true)
		}
	default:
	}
	s.next <- next
}

// run writes what is saved until ctx ends.
func (s *saver) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case next := <-s.next:
			s.held = append(s.held, next.then...)
			if s.store != nil && !s.write(next) {
				s.wantWhole()
				continue
			}
			for _, f := range s.held {
				f()
			}
			s.held = nil
		}
	}
}

// wantWhole has the loop save a whole table, at once.
func (s *saver) wantWhole() {
	s.whole.Store(true)
	select {
	case s.retry <- struct{}{}:
	default:
	}
}

// write writes what is saved. It returns false if a whole table may succeed where changes
// did not.
func (s *saver) write(next saving) bool {
	if next.whole != nil && !s.writeWhole(*next.whole) || len(next.changes) == 0 {
		return true
	}
	done := s.begin()
	defer done()
	full, err := s.store.Append(next.changes...)
	if full {
		s.whole.Store(true)
	}
	return err == nil
}

// writeWhole writes a state, and logs the first error of a series.
func (s *saver) writeWhole(st state.State) bool {
	done := s.begin()
	defer done()
	err := s.store.Save(st)
	if err != nil {
		s.whole.Store(true)
		if !s.failing {
			s.log.Warn("cannot save the table: a restart will not recognise the processes", "error", err)
		}
	}
	s.failing = err != nil
	return err == nil
}
