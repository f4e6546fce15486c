// SPDX-License-Identifier: BSD-2-Clause

// Package scanner reads the utmpx file periodically and when it changes.
//
// It reads without a lock, so that no other program waits for it. A snapshot may
// therefore be inconsistent: whoever acts on a record must check it again under
// the lock.
package scanner

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
)

// After a scan, the next one that a notice causes waits at least minPause, as long as the
// scan took, and pauseFactor times the processor time that it took. This limits the cost of
// a file that changes all the time to a twentieth of a processor. How long a scan takes
// limits it less: on a busy machine that is the wait for a processor, and to wait twenty
// times as long would make utmpd seconds late.
const (
	pauseFactor = 20
	minPause    = 20 * time.Millisecond
)

// A failed scan is repeated after retryFirst, independent of the period, since
// the changes that it missed cause no second notice. The pause doubles up to
// retryMost.
const (
	retryFirst = time.Second
	retryMost  = 30 * time.Second
)

// While there are no notices, the file is looked at each lookPeriod: whether it is
// another one, or has changed.
const lookPeriod = time.Second

// File is the utmpx file; a recfile.File implements it.
type File interface {
	Snapshot(prev *snapshot.Snapshot) (*snapshot.Snapshot, error)
}

// Notifier reports changes of the file.
type Notifier interface {
	// Run calls notice at its start and after each change. notice does not
	// block. Run returns when ctx ends, or with an error if it can give no
	// more notices for now. It is called again at each periodic scan, unless
	// the error wraps [errors.ErrUnsupported].
	Run(ctx context.Context, notice func()) error

	// Renew is called before each periodic scan. It makes Run watch the file
	// and directory that the name leads to now.
	Renew()
}

// Event is the result of one scan.
type Event struct {
	Snapshot *snapshot.Snapshot // nil if the file is missing or could not be read
	Err      error              // why the snapshot is missing or incomplete
	Began    time.Time
	Took     time.Duration
	Periodic bool // caused by the period, not by a notice or Rescan
}

// Options configure a Scanner.
type Options struct {
	File     File          // required
	Notifier Notifier      // nil: scan periodically only
	Period   time.Duration // required, above 0
	Emit     func(Event)   // required; called for each scan, one at a time; may block

	// Look returns what tells one state of the file from another. It is compared while
	// the Notifier fails. nil: the file is then read periodically only.
	Look func() any

	// Used returns the processor time that the program has used. A scan is taken to have
	// used what was used meanwhile, at most the time that it took, and that if Used is nil
	// or returns 0.
	Used func() time.Duration

	// Failed is called with the error if the Notifier fails, once until it works again, and
	// then with nil. It is called in turn with Emit. It may be nil.
	Failed func(error)
}

// Scanner scans the file. Its methods are safe for concurrent use.
type Scanner struct {
	opts   Options
	wake   chan struct{}
	began  time.Time    // by the monotonic clock, too
	busy   atomic.Int64 // since how many ns after began the file is read; 0 if it is not
	mu     sync.Mutex
	period time.Duration
	reset  bool
}

// New returns a Scanner that does nothing until [Scanner.Run].
func New(opts Options) *Scanner {
	return &Scanner{opts: opts, began: time.Now(), wake: make(chan struct{}, 1), period: opts.Period}
}

// Rescan requests a scan. Several requests before that scan count as one. It
// does not block.
func (s *Scanner) Rescan() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// SetPeriod changes the period, which starts again now, and requests a scan. It
// does not block.
func (s *Scanner) SetPeriod(d time.Duration) {
	s.mu.Lock()
	s.period, s.reset = d, true
	s.mu.Unlock()
	s.Rescan()
}

// Busy returns since when the file is being read; zero if it is not.
func (s *Scanner) Busy() time.Time {
	if since := s.busy.Load(); since != 0 {
		return s.began.Add(time.Duration(since))
	}
	return time.Time{}
}

func (s *Scanner) takePeriod() (d time.Duration, reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, reset = s.period, s.reset
	s.reset = false
	return d, reset
}

// Run scans the file at once, and then again when it is due, until ctx ends.
func (s *Scanner) Run(ctx context.Context) {
	n := newNotices(s)
	defer n.runs.Wait()
	n.start(ctx)
	period, _ := s.takePeriod()
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	defer n.stopLooking()
	var again retry
	prev, pause := s.scan(nil, true, &again)
	for sleep(ctx, pause) {
		periodic := false
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-again.due:
		case err := <-n.failed:
			n.fail(err)
			continue
		case <-n.works:
			n.recover()
			continue
		case <-n.due():
			if !n.changed() {
				continue
			}
		case <-ticker.C:
			periodic = true
			n.renew(ctx)
		}
		if period, reset := s.takePeriod(); reset {
			ticker.Reset(period)
		}
		prev, pause = s.scan(prev, periodic, &again)
	}
}

// scan reads the file once. It returns the snapshot and the pause before the next
// scan.
func (s *Scanner) scan(prev *snapshot.Snapshot, periodic bool, again *retry) (*snapshot.Snapshot, time.Duration) {
	used := s.used()
	began := time.Now()
	s.busy.Store(max(1, int64(began.Sub(s.began))))
	snap, err := s.opts.File.Snapshot(prev)
	s.busy.Store(0)
	ev := Event{Snapshot: snap, Err: err, Began: began, Took: time.Since(began), Periodic: periodic}
	cost := ev.Took
	if now := s.used(); now > 0 {
		cost = min(cost, now-used)
	}
	again.after(err)
	s.opts.Emit(ev)
	return snap, max(minPause, ev.Took, pauseFactor*cost)
}

func (s *Scanner) used() time.Duration {
	if s.opts.Used == nil {
		return 0
	}
	return s.opts.Used()
}

// retry schedules the scan after a failed one.
type retry struct {
	due   <-chan time.Time // nil if the last scan succeeded
	pause time.Duration
}

// after sets the retry after a scan that ended with err. A missing file needs
// none: its creation causes a notice.
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
