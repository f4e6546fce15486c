// SPDX-License-Identifier: BSD-2-Clause

package snapshot_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

var gen = snapshot.Generation{Dev: 1, Ino: 2}

// written feeds data in blocks of n bytes.
func written(l *utmpx.Layout, prev *snapshot.Snapshot, data []byte, n int) *snapshot.Snapshot {
	b := snapshot.NewBuilder(gen, l, prev)
	for block := range slices.Chunk(data, n) {
		b.Write(block)
	}
	return b.Snapshot()
}

// content is a snapshot's bytes.
func content(s *snapshot.Snapshot) string {
	var out []byte
	for i := range s.Len() {
		out = append(out, s.Raw(i)...)
	}
	return string(out)
}

// TestSnapshotOverPrevious checks content, sharing and differences of a snapshot
// after one of another length and with other records.
func TestSnapshotOverPrevious(t *testing.T) {
	lengths := []int{0, 1, 127, 128, 129, 255, 256, 300, 513}
	for _, tab := range tables[:4] {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, was := range lengths {
			for _, is := range lengths {
				t.Run(fmt.Sprint(tab.name, " ", was, " then ", is), func(t *testing.T) {
					before := tab.file(logins(was)...)
					after := tab.file(logins(is)...)
					want := changeSome(rng, after, tab.l.Size(), was)
					checkOver(t, tab.l, before, after, want)
				})
			}
		}
	}
}

// changeSome changes up to three records of a file of records of size bytes. It returns
// the slots that differ from a file of was records which has the same ones.
func changeSome(rng *rand.Rand, file []byte, size, was int) []int {
	is := len(file) / size
	var differ []int
	for i := min(was, is); i < max(was, is); i++ {
		differ = append(differ, i)
	}
	for range rng.IntN(4) {
		if is == 0 {
			break
		}
		i := rng.IntN(is)
		file[i*size+size-1]++
		if i < was && !slices.Contains(differ, i) {
			differ = append(differ, i)
		}
	}
	slices.Sort(differ)
	return differ
}

// checkOver makes snapshots of before and, over it, of after, read in blocks of several
// sizes. want are the slots that differ.
func checkOver(t *testing.T, l *utmpx.Layout, before, after []byte, want []int) {
	t.Helper()
	prev := snapshot.New(gen, l, nil, before)
	if content(prev) != string(before) {
		t.Fatal("the first snapshot is not its data")
	}
	for _, n := range []int{1000, 128 * l.Size(), 512 * l.Size(), 1 << 20} {
		data := slices.Clip(after)
		if n == 1000 {
			data = append(data, "tail"...)
		}
		next := written(l, prev, data, n)
		if next.Len() != len(after)/l.Size() || content(next) != string(after) {
			t.Fatalf("in blocks of %d: %d records, or not the data", n, next.Len())
		}
		if got := slices.Collect(next.Changed(prev)); !slices.Equal(got, want) {
			t.Fatalf("in blocks of %d: changed %v, want %v", n, got, want)
		}
		if (next == prev) != (len(want) == 0) {
			t.Errorf("in blocks of %d: prev itself: %v, changed %v", n, next == prev, want)
		}
	}
	if content(prev) != string(before) {
		t.Error("the snapshot before has changed")
	}
}

func TestSnapshotOfAnotherFile(t *testing.T) {
	tab := tables[0]
	l, data := tab.layout(t), tab.file(logins(3)...)
	prev := snapshot.New(gen, l, nil, data)
	for name, next := range map[string]*snapshot.Snapshot{
		"inode":  snapshot.New(snapshot.Generation{Dev: 1, Ino: 3}, l, prev, data),
		"layout": snapshot.New(gen, utmpx.Glibc384BE, prev, data),
	} {
		if got := slices.Collect(next.Changed(prev)); !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("another %s: changed %v", name, got)
		}
	}
	var none *snapshot.Snapshot
	if none.Len() != 0 || none.Layout() != nil || none.Generation() != (snapshot.Generation{}) {
		t.Error("the nil snapshot holds something")
	}
	if got := slices.Collect(prev.Changed(nil)); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("changed since none: %v", got)
	}
	for i, r := range prev.All() {
		if r != prev.Record(i) || r.Raw() != prev.Raw(i) || r.Line != login(i).Line {
			t.Errorf("record %d is %v", i, r)
		}
	}
	for range prev.All() {
		break
	}
	for range prev.Changed(nil) {
		break
	}
}

func TestUnchangedSnapshotAllocatesNothing(t *testing.T) {
	for _, tab := range tables[:3] {
		l, data := tab.layout(t), tab.file(logins(1000)...)
		prev := snapshot.New(gen, l, nil, data)
		if n := testing.AllocsPerRun(10, func() { written(l, prev, data, 512*l.Size()) }); n > 1 {
			t.Errorf("%s: %v allocations, want the builder alone", l, n)
		}
	}
}
