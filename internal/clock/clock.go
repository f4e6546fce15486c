// SPDX-License-Identifier: BSD-2-Clause

// Package clock finds the steps of the wall clock, by comparing it with the kernel's
// count of the time since its start. A clock that is slewed is not stepped: both go
// on at the same pace.
package clock

import (
	"context"
	"time"
)

// Reading is what the clocks show at one moment.
type Reading struct {
	Wall  time.Time
	Up    time.Duration // since the kernel started, suspends included; 0 if unknown
	Slept time.Duration // the suspends' part of Up, as far as it is known
}

// Step is one step of the wall clock, or several within seconds.
type Step struct {
	Old, New time.Time     // one moment, by the clock as it was and as it is
	Up       time.Duration // of the same moment
}

// By returns how far the clock was stepped, negative if back.
func (s Step) By() time.Duration { return s.New.Sub(s.Old) }

// Least is the smallest step that is reported. What is smaller may be the time in
// which the program stood still between two readings.
const Least = 3 * time.Second

// settle is the time from a notice to the reading. So steps in a row are one, and
// whoever records a step himself has done so.
const settle = 2 * time.Second

// Options configure a Watch.
type Options struct {
	Read func() Reading // nil: Read
	// Notices calls notice after a step, until ctx ends. nil, or an error: steps are
	// found by Look alone.
	Notices func(ctx context.Context, notice func()) error
	Since   Reading                     // what the clocks showed when somebody looked last, in this boot; may be zero
	Stepped func(context.Context, Step) // called by Run, with its context, for each step
	// Resumed is called by Run after a suspend, which is noticed as a step is; nil: not
	// called.
	Resumed func()
	Failed  func(error)
}

// Watch looks for steps while Run runs.
type Watch struct {
	Options
	last Reading
	look chan struct{} // has a buffer of one
}

// NewWatch returns a Watch. It begins once Run is called.
func NewWatch(o Options) *Watch {
	if o.Read == nil {
		o.Read = Read
	}
	return &Watch{Options: o, last: o.Since, look: make(chan struct{}, 1)}
}

// Look asks Run to compare the clocks. It does not block.
func (w *Watch) Look() {
	select {
	case w.look <- struct{}{}:
	default:
	}
}

// Run calls Stepped for each step until ctx ends. It compares the clocks after each
// notice and each Look, and waits for neither otherwise. Where the kernel's count is
// unknown it finds nothing.
func (w *Watch) Run(ctx context.Context) {
	now := w.Read()
	if now.Up <= 0 {
		return
	}
	if w.last.Up <= 0 || w.last.Up > now.Up {
		w.last = now // nobody looked before in this boot
	}
	w.Look()
	if w.Notices != nil {
		done := make(chan struct{})
		defer func() { <-done }()
		go func() {
			defer close(done)
			if err := w.Notices(ctx, w.Look); err != nil && ctx.Err() == nil && w.Failed != nil {
				w.Failed(err)
			}
		}()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.look:
			w.compare(ctx)
		}
	}
}

// compare reports a step since the last reading, and makes the present one the last:
// where the clocks do not go at quite the same pace, the difference stays small.
func (w *Watch) compare(ctx context.Context) {
	now := w.Read()
	if w.Resumed != nil && now.Slept-w.last.Slept >= Least {
		w.Resumed()
	}
	if w.step(now).By().Abs() >= Least {
		timer := time.NewTimer(settle)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now = w.Read()
		if s := w.step(now); s.By().Abs() >= Least {
			w.Stepped(ctx, s)
		}
	}
	w.last = now
}

// step returns the step from the last reading to now.
func (w *Watch) step(now Reading) Step { return now.Since(w.last) }

// Since returns the step from a reading before to this one, which may be none.
func (r Reading) Since(before Reading) Step {
	return Step{Old: before.Wall.Add(r.Up - before.Up), New: r.Wall, Up: r.Up}
}
