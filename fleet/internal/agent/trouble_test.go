// SPDX-License-Identifier: BSD-2-Clause

package agent

import (
	"slices"
	"testing"
	"time"
)

// TestTrouble: an agent tries again soon for twenty seconds, and goes to other servers at first
// soon, and then ever more rarely: ten thousand that do so keep no cluster down.
func TestTrouble(t *testing.T) {
	var tr trouble
	start := time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)
	var soon int
	var left []int
	for s := range 3600 {
		now := start.Add(time.Duration(s) * time.Second)
		if tr.failed(now, 10*time.Second) {
			soon = s
		}
		if tr.leave(now) {
			left = append(left, s)
		}
		tr.stored(0)
	}
	if want := []int{8, 23, 53, 113, 233, 473, 953, 1913}; soon != 19 || !slices.Equal(left, want) {
		t.Errorf("soon until %d, left at %v, want %v", soon, left, want)
	}
	tr.stored(7)
	if tr.leave(start.Add(24 * time.Hour)) {
		t.Error("an event was stored, and the server is left")
	}
}
