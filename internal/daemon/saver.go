// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"log/slog"
	"time"

	"utmpd.dev/utmpd/internal/state"
)

// saveEvery is the least time between two writes of the table.
const saveEvery = time.Second

// saver writes the table for a later run. The loop, which must not wait for a
// disk, schedules and saves; run writes.
type saver struct {
	store store // nil: nothing is written
	log   *slog.Logger
	begin func() (done func()) // around each save
	next  chan saving          // holds one, the newest

	// Of the loop's goroutine.
	due       *time.Timer // fires when a scheduled save is due
	scheduled bool
	last      time.Time // of the last save

	failing bool // of run's goroutine
}

// saving is a state to write, and what to call after that.
type saving struct {
	st   state.State
	then []func()
}

func newSaver(to store, log *slog.Logger) *saver {
	s := &saver{store: to, log: log, next: make(chan saving, 1), due: time.NewTimer(time.Hour)}
	s.begin = func() func() { return func() {} }
	s.due.Stop()
	return s
}

// schedule has due fire, saveEvery after the last save at the earliest.
func (s *saver) schedule() {
	if s.store != nil && !s.scheduled {
		s.scheduled = true
		s.due.Reset(max(0, saveEvery-time.Since(s.last)))
	}
}

// save hands a state to run, in place of one that run has not taken yet. After the
// write, whether it succeeded or not, run calls then. save does not block.
func (s *saver) save(st state.State, then ...func()) {
	s.last, s.scheduled = time.Now(), false
	s.due.Stop()
	select {
	case old := <-s.next:
		then = append(old.then, then...)
	default:
	}
	s.next <- saving{st, then}
}

// run writes what is saved until ctx ends.
func (s *saver) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case next := <-s.next:
			if s.store != nil {
				s.write(next.st)
			}
			for _, f := range next.then {
				f()
			}
		}
	}
}

// write writes a state, and logs the first error of a series.
func (s *saver) write(st state.State) {
	done := s.begin()
	defer done()
	err := s.store.Save(st)
	if err != nil && !s.failing {
		s.log.Warn("cannot save the table: a restart will not recognise the processes", "error", err)
	}
	s.failing = err != nil
}
