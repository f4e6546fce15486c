// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"runtime"
	"testing"
)

// TestLooksOfBurst: a burst of looks leaves no memory behind once all are answered.
func TestLooksOfBurst(t *testing.T) {
	const n = 100_000
	s := newSights()
	for key := range uint64(n) {
		s.asked[key] = nil
	}
	s.most = n
	full := inUse()
	for key := range uint64(n) {
		delete(s.asked, key)
		if key == n/2 {
			s.shrink()
		}
	}
	s.shrink()
	if left := inUse(); left > full-16*n { // each had a key and a pointer
		t.Errorf("%d bytes in use after the answers, %d before", left, full)
	}
	s.asked[1] = nil
	s.shrink()
	if len(s.asked) != 1 {
		t.Error("a look that is not answered is forgotten")
	}
}

// inUse returns the bytes of the heap that are in use.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
