// SPDX-License-Identifier: BSD-2-Clause

package scanner

import (
	"context"
	"errors"
	"sync"
	"time"
)

// notices is what a Scanner does for its Notifier. While that fails, it looks at the file
// each second, and tries again at each periodic scan: the kernel's limits are for all
// programs of a user together, and somebody else may have used them up.
type notices struct {
	*Scanner
	runs   sync.WaitGroup
	failed chan error    // of the Notifier's Run
	works  chan struct{} // it gave its first notice

	running bool
	failing bool
	never   bool         // this system gives none
	ticker  *time.Ticker // nil while the Notifier works
	last    any          // what the last look brought
	settle  bool         // it was a change
}

func newNotices(s *Scanner) *notices {
	return &notices{Scanner: s, failed: make(chan error, 1), works: make(chan struct{}, 1)}
}

// start runs the Notifier in a goroutine of its own.
func (n *notices) start(ctx context.Context) {
	if n.opts.Notifier == nil {
		return
	}
	n.running = true
	n.runs.Go(func() {
		var first sync.Once
		err := n.opts.Notifier.Run(ctx, func() {
			first.Do(func() { n.works <- struct{}{} })
			n.Rescan()
		})
		if err != nil && ctx.Err() == nil {
			n.failed <- err
		}
	})
}

// renew has the Notifier watch what the name leads to now, or starts it again.
func (n *notices) renew(ctx context.Context) {
	switch {
	case n.opts.Notifier == nil || n.never:
	case n.running:
		n.opts.Notifier.Renew()
	default:
		n.start(ctx)
	}
}

// fail takes note that there are no notices any more.
func (n *notices) fail(err error) {
	n.running, n.never = false, errors.Is(err, errors.ErrUnsupported)
	select {
	case <-n.works: // it is over already
	default:
	}
	if !n.failing && n.opts.Failed != nil {
		n.opts.Failed(err)
	}
	n.failing = true
	if n.ticker == nil && n.opts.Look != nil {
		n.ticker, n.last, n.settle = time.NewTicker(lookPeriod), n.opts.Look(), true
	}
}

// recover takes note that there are notices.
func (n *notices) recover() {
	n.stopLooking()
	if n.failing && n.opts.Failed != nil {
		n.opts.Failed(nil)
	}
	n.failing = false
}

func (n *notices) stopLooking() {
	if n.ticker != nil {
		n.ticker.Stop()
		n.ticker = nil
	}
}

// due returns the channel of the next look, nil while there are notices.
func (n *notices) due() <-chan time.Time {
	if n.ticker == nil {
		return nil
	}
	return n.ticker.C
}

// changed looks at the file. After a change it reports one more: the file may have changed
// again at what the file system takes for the same moment.
func (n *notices) changed() bool {
	now := n.opts.Look()
	changed := now != n.last
	report := changed || n.settle
	n.last, n.settle = now, changed
	return report
}
