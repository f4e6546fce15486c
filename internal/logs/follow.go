// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"context"
	"errors"
	"iter"
	"time"

	"utmpd.dev/utmpd/internal/notify"
	"utmpd.dev/utmpd/internal/sysfile"
)

// Follow yields the records after a position, as [Log.From] does, and then waits
// for more, until ctx ends or the caller leaves the loop. It goes on across
// rotations, and waits while the present file is missing. A record that comes late,
// written to the file just rotated away, is yielded when the present one changes.
//
// It learns of changes by inotify(7), and looks once in ten seconds besides;
// without inotify once a second. An error is yielded when it is new, and what
// failed is tried again at each look.
func (l *Log) Follow(ctx context.Context, p Position) iter.Seq2[Entry, error] {
	return l.RunsFollow(ctx, p).values(false)
}

// RunsFollow is [Log.Follow].
func (l *Log) RunsFollow(ctx context.Context, p Position) Runs {
	return func(yield func(*Run, error) bool) {
		f := follower{yield: yield, reading: reading{log: l, ctx: ctx, from: p}}
		f.reading.yield = f.pass
		f.run(ctx)
	}
}

// follower is a reading that is repeated.
type follower struct {
	reading
	yield  func(*Run, error) bool
	failed map[string]bool // errors of the last reading
	fails  map[string]bool // errors of this one
}

func (f *follower) run(ctx context.Context) {
	w := newWaiter(ctx, f.log)
	defer w.stop()
	for {
		// What changes from here on is seen by the next look.
		seen := f.log.lookup()
		f.failed, f.fails = f.fails, map[string]bool{}
		if !f.reading.run() || ctx.Err() != nil {
			return
		}
		f.from, f.last = f.position(), Run{}
		f.log.waiting()
		for {
			if !w.wait(ctx) {
				return
			}
			if len(f.fails) > 0 || !seen.Same(f.log.lookup()) {
				break
			}
		}
	}
}

// pass hands on what a reading yields. An error that the last reading had, too,
// is not new.
func (f *follower) pass(all *Run, err error) bool {
	var gap *GapError
	if err == nil || errors.As(err, &gap) {
		return f.yield(all, err)
	}
	if f.ctx.Err() != nil {
		return false
	}
	text := err.Error()
	known := f.failed[text] || f.fails[text]
	f.fails[text] = true
	return known || f.yield(all, err)
}

// lookup describes the present file; the zero FileInfo is that of a missing one.
func (l *Log) lookup() FileInfo {
	info, err := l.sys.Lookup(l.name)
	if err != nil {
		return FileInfo{}
	}
	return FileInfo{Name: l.name, Info: info}
}

const (
	pollAlone   = time.Second      // how often to look if changes are not reported
	pollBesides = 10 * time.Second // and if they are: stores to mapped memory and network file systems are not
)

// waiter waits for the present file to change.
type waiter struct {
	notices chan struct{} // filled by the notifier
	ended   chan struct{} // closed when the notifier has ended; nil once that is known
	cancel  context.CancelFunc
	ticker  *time.Ticker
}

func newWaiter(ctx context.Context, l *Log) *waiter {
	w := &waiter{notices: make(chan struct{}, 1), cancel: func() {}}
	if l.sys != sysfile.Kernel() {
		w.ticker = time.NewTicker(pollAlone)
		return w
	}
	ctx, w.cancel = context.WithCancel(ctx)
	w.ticker, w.ended = time.NewTicker(pollBesides), make(chan struct{})
	go func() {
		defer close(w.ended)
		// An error is that there are no notices: the ticker does without.
		_ = notify.NewInotify(l.name).Run(ctx, func() {
			select {
			case w.notices <- struct{}{}:
			default:
			}
		})
	}()
	return w
}

// wait returns when the file may have changed. It reports false when ctx ends.
func (w *waiter) wait(ctx context.Context) bool {
	select {
	case <-ctx.Done():
	case <-w.notices:
	case <-w.ticker.C:
	case <-w.ended:
		w.ended = nil
		w.ticker.Reset(pollAlone)
	}
	return ctx.Err() == nil
}

// stop ends the notifier.
func (w *waiter) stop() {
	w.cancel()
	w.ticker.Stop()
	if w.ended != nil {
		<-w.ended
	}
}
