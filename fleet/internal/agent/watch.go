// SPDX-License-Identifier: BSD-2-Clause

package agent

import (
	"context"
	"sync/atomic"
	"time"
)

// work is what a part of the agent does: steps, each of which ends soon, or it waits for
// something that may never come.
type work struct{ since atomic.Int64 }

// origin is what the times of steps are counted from: a clock that nobody sets.
var origin = time.Now()

// step begins a step, and ends the one before.
func (w *work) step() { w.since.Store(int64(time.Since(origin)) + 1) }

// rest ends it: the part waits.
func (w *work) rest() { w.since.Store(0) }

// stuck reports whether a step takes longer than that.
func (w *work) stuck(most time.Duration) bool {
	since := w.since.Load()
	return since != 0 && time.Since(origin)-time.Duration(since) > most
}

// watch calls Alive while no part is stuck.
func (a *Agent) watch(ctx context.Context) {
	tick := time.NewTicker(a.Watchdog / 2)
	defer tick.Stop()
	for told := false; ; {
		switch stuck := a.sending.stuck(a.Watchdog) || a.looking.stuck(a.Watchdog); {
		case !stuck:
			told = false
			a.Alive()
		case !told:
			told = true
			a.Log.Error("the agent is stuck, and does not say that it is well any more", "sending", a.sending.stuck(a.Watchdog), "reading utmp", a.looking.stuck(a.Watchdog))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
