// SPDX-License-Identifier: BSD-2-Clause

// Package scanner decides when to read the utmpx file, by the period and at
// once on notice of a change, and reads it.
//
// What it finds is a hint: it reads without a lock, so that no reader or writer
// ever waits for it, and whoever acts on a record looks again under the lock.
package scanner

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
)

// pauseFactor bounds what a file that changes all the time can cost: after a
// scan, the next on notice waits this many times as long as the scan took,
// minPause at least.
const (
	pauseFactor = 20
	minPause    = 20 * time.Millisecond
)

// A reading that failed is done again soon, whatever the period: the changes
// that it did not see give no second notice. The pause doubles up to the most.
const (
	retryFirst = time.Second
	retryMost  = 30 * time.Second
)

// File is what the scanner reads: a recfile.File.
type File interface {
	Snapshot(prev *snapshot.Snapshot) (*snapshot.Snapshot, error)
}

// Notifier tells of changes of the file. Run calls notice, which does not
// block, at its start and after each change, and returns when ctx ends or when
// no further notice can be had; then the period alone counts. Renew is called
// before each periodic scan: what is at the name may be another file, or in
// another directory, than the one whose changes are told.
type Notifier interface {
	Run(ctx context.Context, notice func()) error
	Renew()
}

// Event is one reading.
type Event struct {
	Snapshot *snapshot.Snapshot // nil if there is no file, or it could not be read
	Err      error              // why there is no snapshot, or not a whole one
	Began    time.Time
	Took     time.Duration
	Periodic bool // neither notice nor request caused it
}

// Options are a Scanner's settings. All but Notifier must be set.
type Options struct {
	File     File
	Notifier Notifier // nil: the period alone
	Period   time.Duration
	Emit     func(Event) // called for each reading, one at a time; may block
	Failed   func(error) // called if the Notifier gives up, before Run ends
}

// Scanner reads the file when it should be read. Make one with [New].
type Scanner struct {
	opts   Options
	wake   chan struct{}
	mu     sync.Mutex
	period time.Duration
	reset  bool
}

// New returns a Scanner that does nothing until [Scanner.Run].
func New(opts Options) *Scanner {
	return &Scanner{opts: opts, wake: make(chan struct{}, 1), period: opts.Period}
}

// Rescan has the file read soon. Calls before the reading begins are one. It
// does not block.
func (s *Scanner) Rescan() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// SetPeriod sets the time between two scans that nothing else causes. It counts
// from now. It does not block.
func (s *Scanner) SetPeriod(d time.Duration) {
	s.mu.Lock()
	s.period, s.reset = d, true
	s.mu.Unlock()
	s.Rescan()
}

func (s *Scanner) takePeriod() (d time.Duration, reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, reset = s.period, s.reset
	s.reset = false
	return d, reset
}

// Run reads the file at once, and then until ctx ends.
func (s *Scanner) Run(ctx context.Context) {
	var notifier sync.WaitGroup
	defer notifier.Wait()
	if s.opts.Notifier != nil {
		notifier.Go(func() {
			if err := s.opts.Notifier.Run(ctx, s.Rescan); err != nil && ctx.Err() == nil && s.opts.Failed != nil {
				s.opts.Failed(err)
			}
		})
	}
	period, _ := s.takePeriod()
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	var again retry
	prev, pause := s.scan(nil, true, &again)
	for sleep(ctx, pause) {
		periodic := false
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-again.due:
		case <-ticker.C:
			periodic = true
			if s.opts.Notifier != nil {
				s.opts.Notifier.Renew()
			}
		}
		if period, reset := s.takePeriod(); reset {
			ticker.Reset(period)
		}
		prev, pause = s.scan(prev, periodic, &again)
	}
}

// scan reads once, and returns how long to pause before the next.
func (s *Scanner) scan(prev *snapshot.Snapshot, periodic bool, again *retry) (*snapshot.Snapshot, time.Duration) {
	began := time.Now()
	snap, err := s.opts.File.Snapshot(prev)
	ev := Event{Snapshot: snap, Err: err, Began: began, Took: time.Since(began), Periodic: periodic}
	again.after(err)
	s.opts.Emit(ev)
	return snap, max(minPause, pauseFactor*ev.Took)
}

// retry is when to read again after readings that failed.
type retry struct {
	due   <-chan time.Time // nil: the last one did not
	pause time.Duration
}

// after takes in how a reading ended. A file that is missing is no failure: its
// coming gives notice.
func (r *retry) after(err error) {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		*r = retry{}
		return
	}
	r.pause = min(max(2*r.pause, retryFirst), retryMost)
	r.due = time.After(r.pause)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// ErrNoNotice is why a Notifier gives up where the system has none.
var ErrNoNotice = errors.New("scanner: no notice of file changes on this system")
