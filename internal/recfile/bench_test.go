// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// many makes a file of n sessions on the kernel's file system.
func many(tb testing.TB, n int) string {
	tb.Helper()
	var data []byte
	for i := range n {
		data = append(data, raw(tb, layout, sess(fmt.Sprint("pts/", i), int64(i)))...)
	}
	name := filepath.Join(tb.TempDir(), "utmp")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return name
}

// TestUnchangedSnapshotAllocatesLittle: a scan that finds nothing new costs no
// memory to speak of, however long the file.
func TestUnchangedSnapshotAllocatesLittle(t *testing.T) {
	f := recfile.NewFile(many(t, 10_000), recfile.Options{})
	s, err := f.Snapshot(nil)
	check(t, err)
	n := testing.AllocsPerRun(20, func() {
		if again, err := f.Snapshot(s); err != nil || again != s {
			t.Errorf("snapshot %p, %v, want %p", again, err, s)
		}
	})
	if n > 40 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSnapshotUnchanged(b *testing.B) {
	f := recfile.NewFile(many(b, 10_000), recfile.Options{})
	s, err := f.Snapshot(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if s, err = f.Snapshot(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSwap256(b *testing.B) {
	f := recfile.NewFile(many(b, 10_000), recfile.Options{})
	s, err := f.Snapshot(nil)
	if err != nil {
		b.Fatal(err)
	}
	var there, back []recfile.Swap
	for i := range 256 {
		old, to := s.Record(i*39), s.Record(i*39)
		to.Type = utmpx.DeadProcess
		p, err := layout.Encode(to)
		if err != nil {
			b.Fatal(err)
		}
		to = layout.Decode(string(p))
		there = append(there, recfile.Swap{Slot: i * 39, Old: old, New: to})
		back = append(back, recfile.Swap{Slot: i * 39, Old: to, New: old})
	}
	b.ReportAllocs()
	for b.Loop() {
		done, err := f.Swap(b.Context(), s.Generation(), there)
		if err != nil || !done[255] {
			b.Fatal(done, err)
		}
		there, back = back, there
	}
}

func BenchmarkAppend(b *testing.B) {
	l := recfile.NewLog(many(b, 1), recfile.Options{})
	r := dead("pts/0", 1)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Append(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
