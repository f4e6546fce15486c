// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// collector is a garbage collector.
type collector interface {
	// collect frees what is unused and gives it back to the system. It blocks.
	collect()
	// inUse returns the bytes that count against the limit.
	inUse() int64
	// set sets GOGC and GOMEMLIMIT and returns their old values. It may block
	// while a collection runs.
	set(percent int, limit int64) (oldPercent int, oldLimit int64)
}

// goCollector is Go's own.
type goCollector struct{}

// collect collects twice: what a sync.Pool holds outlasts one collection.
func (goCollector) collect() {
	runtime.GC()
	debug.FreeOSMemory()
	dropPages()
}

func (goCollector) inUse() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
}

func (goCollector) set(percent int, limit int64) (oldPercent int, oldLimit int64) {
	oldLimit = debug.SetMemoryLimit(limit)
	return debug.SetGCPercent(percent), oldLimit
}
