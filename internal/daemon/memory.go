// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// restAfter is how long nothing must have happened before memory is given back.
	restAfter = 5 * time.Second
	// restSpare is what may be allocated before memory is collected again: about what an
	// hour or two of heartbeats take, or a few logins and logouts. To collect after each
	// of them would cost more than all else they do. It is checked at the beginning of
	// each rest and after each periodic scan.
	restSpare = 1 << 20
	// restMost bounds what may be allocated at rest. At this limit the collector
	// runs by itself. Close to it, it would run in small steps all the time, so the
	// limit is far away.
	restMost = 32 << 20
)

// memory gives memory back to the system when the daemon is at rest, and keeps
// the collector from running every two minutes to find nothing. At work, the
// collector runs as Go sets it.
//
// work and rest are for the goroutine of loop. They only say what is wanted and
// never block; run does it.
type memory struct {
	due       *time.Timer // fires restAfter after the last work
	collector collector   // nil: memory is left to Go

	restWanted atomic.Bool
	wake       chan struct{} // holds one: there may be something to do

	// Of run's goroutine.
	resting bool
	least   int64 // bytes in use after the last collection at rest; 0: there was none
	percent int   // GOGC and
	limit   int64 // GOMEMLIMIT at work
}

func newMemory(c collector) *memory {
	return &memory{due: time.NewTimer(restAfter), collector: c, wake: make(chan struct{}, 1)}
}

// work ends a rest, and puts the next one off.
func (m *memory) work() {
	m.due.Reset(restAfter)
	if m.restWanted.Load() {
		m.want(false)
	}
}

// rest begins a rest, or has a rest that goes on collect what was allocated in it.
func (m *memory) rest() { m.want(true) }

func (m *memory) want(rest bool) {
	m.restWanted.Store(rest)
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// run does what is wanted until ctx ends.
func (m *memory) run(ctx context.Context) {
	if m.collector == nil {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
		}
		if m.restWanted.Load() {
			m.giveBack()
		} else {
			m.endRest()
		}
	}
}

// giveBack collects all memory, if much was allocated since that was last done, and has the
// collector rest. If work comes meanwhile, the collector keeps its settings.
func (m *memory) giveBack() {
	much := m.least == 0 || m.collector.inUse() >= m.least+restSpare
	if m.resting && !much {
		return
	}
	if much {
		m.collector.collect()
		if !m.restWanted.Load() {
			return
		}
		m.least = m.collector.inUse()
	}
	percent, limit := m.collector.set(-1, m.least+restMost)
	if !m.resting {
		m.resting, m.percent, m.limit = true, percent, limit
	}
}

func (m *memory) endRest() {
	if m.resting {
		m.resting = false
		m.collector.set(m.percent, m.limit)
	}
}
