// SPDX-License-Identifier: BSD-2-Clause

package status

import (
	"context"
	"sync"
	"time"
)

const (
	settle = 50 * time.Millisecond // before a write of what more follows
	period = time.Second           // between two writes, at least
	retry  = 10 * time.Second      // after a write that failed
)

// Writer writes the latest status when it has changed: at once if its State has, else at
// most once a second, and together with what follows within a twentieth of one.
type Writer struct {
	write  func(Status) error
	report func(error)
	wake   chan struct{}
	turn   chan struct{} // the State is another

	mu     sync.Mutex
	latest Status // zero: none yet
	more   bool   // follows what was not written yet

	// Of Run's goroutine.
	written Status
	failing bool
}

// NewWriter returns a Writer that hands each status to write, usually [Write] and
// the service manager's. It hands to report the first error of a series, and nil
// when writing works again. Run calls both.
func NewWriter(write func(Status) error, report func(error)) *Writer {
	return &Writer{write: write, report: report, wake: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
}

// Set makes s the latest status, to be written by Run. more says that it will likely change
// again in a moment: a login is seen in its record, then in its process. Set does not block
// and is safe for concurrent use. A status equal to the one before costs next to nothing.
func (w *Writer) Set(s Status, more bool) {
	w.mu.Lock()
	same, turned := s == w.latest, s.State != w.latest.State
	w.latest, w.more = s, w.more || more && !same
	w.mu.Unlock()
	if same {
		return
	}
	signal(w.wake)
	if turned {
		signal(w.turn)
	}
}

// signal leaves a signal in a channel of one, unless one is there.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func drain(c <-chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// Run writes until ctx ends. Then it writes what is left and returns. A write that
// failed is tried again every ten seconds. It does not wake up for nothing: the pause after
// a write is waited for when there is something to write.
func (w *Writer) Run(ctx context.Context) {
	defer w.flush()
	var next time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		for ok := false; !ok; {
			if !w.sleep(ctx, max(time.Until(next), w.pause())) {
				return
			}
			drain(w.turn) // of what is written now
			drain(w.wake)
			wait := period
			if ok = w.flush(); !ok {
				wait = retry
			}
			next = time.Now().Add(wait)
		}
	}
}

// Last writes the latest status, if Run has returned and it is not written.
func (w *Writer) Last() { w.flush() }

// flush writes the latest status unless it is written, and reports whether nothing
// is left to write.
func (w *Writer) flush() bool {
	w.mu.Lock()
	latest := w.latest
	w.more = false
	w.mu.Unlock()
	if latest == w.written {
		return true
	}
	err := w.write(latest)
	if (err != nil) != w.failing {
		w.failing = err != nil
		w.report(err)
	}
	if err != nil {
		return false
	}
	w.written = latest
	return true
}

// pause returns how long to wait for what follows.
func (w *Writer) pause() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.more {
		return settle
	}
	return 0
}

// sleep waits for d, or until the State is another, and reports whether ctx lasted as long.
func (w *Writer) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-w.turn:
		return true
	case <-t.C:
		return true
	}
}
