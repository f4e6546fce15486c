// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// restAfter is how long nothing must have happened before memory is given back.
	restAfter = 5 * time.Second
	// restSpare is what heartbeats may have allocated at rest before it is collected,
	// which is looked at after each periodic scan: that of an hour or two.
	restSpare = 1 << 20
	// restMost bounds what anything may allocate at rest. The collector comes then,
	// and close to it works in small steps all the time, so it is far away.
	restMost = 32 << 20
)

// memory is how Go's collector is set. At work it is as Go has it. At rest, what
// the work left behind is given back to the system, and the collector does not
// come by the clock, every two minutes, to find nothing.
type memory struct {
	mu      sync.Mutex
	resting bool
	least   int64 // in use at the beginning of the rest
	percent int   // the settings at work: GOGC
	limit   int64 // and GOMEMLIMIT
}

// rest costs two collections of everything, the first time and when much has come
// together since: what a sync.Pool holds outlasts one.
func (m *memory) rest() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.resting && inUse() < m.least+restSpare {
		return
	}
	runtime.GC()
	debug.FreeOSMemory()
	m.least = inUse()
	limit, percent := debug.SetMemoryLimit(m.least+restMost), debug.SetGCPercent(-1)
	if !m.resting {
		m.resting, m.limit, m.percent = true, limit, percent
	}
}

// work ends a rest.
func (m *memory) work() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.resting {
		return
	}
	m.resting = false
	debug.SetGCPercent(m.percent)
	debug.SetMemoryLimit(m.limit)
}

// inUse is what counts against the limit: all memory, but for what was given back.
func inUse() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
}
