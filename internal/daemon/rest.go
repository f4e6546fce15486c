package daemon

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// restAfter is how long nothing must have happened before memory is given back.
	restAfter = 5 * time.Second
	// restSpare is what may be allocated at rest before it is collected. Go keeps
	// a megabyte of it clear; the other is the heartbeats of an hour.
	restSpare = 2 << 20
)

// memory is how Go's collector is set. At work it is as Go has it. At rest, what
// the work left behind is given back to the system, and the collector does not
// come by the clock, every two minutes, to find nothing.
type memory struct {
	mu      sync.Mutex
	resting bool
	percent int   // the settings at work: GOGC
	limit   int64 // and GOMEMLIMIT
}

// rest costs a collection of everything.
func (m *memory) rest() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.resting {
		return
	}
	m.resting = true
	debug.FreeOSMemory()
	m.limit = debug.SetMemoryLimit(inUse() + restSpare)
	m.percent = debug.SetGCPercent(-1)
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
