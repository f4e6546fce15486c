// SPDX-License-Identifier: BSD-2-Clause

package snapshot

import (
	"runtime"
	"testing"
	"weak"

	"utmpd.dev/utmpd/utmpx"
)

// TestSnapshotKeepsNoOther: a snapshot shares what did not change with the one
// before, and keeps nothing else of it.
func TestSnapshotKeepsNoOther(t *testing.T) {
	l := utmpx.Native()
	data := make([]byte, 3*chunkRecords*l.Size())
	first := New(Generation{1, 1}, l, nil, data)
	before, old := weak.Make(first), weak.Make(first.chunks[1])
	data[chunkRecords*l.Size()]++
	second := New(Generation{1, 1}, l, first, data)
	shared := first.chunks[0] == second.chunks[0]
	first = nil
	runtime.GC()
	if before.Value() != nil || old.Value() != nil {
		t.Error("a snapshot keeps the one before it in memory")
	}
	if !shared {
		t.Error("what did not change is not shared")
	}
	runtime.KeepAlive(second)
}
