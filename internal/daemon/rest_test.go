// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"runtime/debug"
	"testing"
)

// TestRest: at rest the collector comes by the limit alone; at work all is as Go
// has it.
func TestRest(t *testing.T) {
	const percent = 123
	defer debug.SetGCPercent(debug.SetGCPercent(percent))
	set := func() (int, int64) {
		p := debug.SetGCPercent(-1)
		debug.SetGCPercent(p)
		return p, debug.SetMemoryLimit(-1)
	}
	unlimited := debug.SetMemoryLimit(-1)
	var m memory
	m.work() // it works already
	for range 2 {
		m.rest()
		m.rest() // it rests already
		if p, limit := set(); p != -1 || limit > inUse()+2*restMost {
			t.Errorf("at rest: GOGC %d, limit %d with %d in use", p, limit, inUse())
		}
		m.work()
		if p, limit := set(); p != percent || limit != unlimited {
			t.Errorf("at work: GOGC %d, limit %d", p, limit)
		}
	}
}
