// SPDX-License-Identifier: BSD-2-Clause

package utmpx

import "iter"

// chunkRecords is how many records stand in one chunk of a snapshot: about
// 48 kB, so that a change in a file of ten thousand records costs one chunk.
const chunkRecords = 128

// Generation tells one file from another under the same name: its device and
// inode. The zero Generation is no file.
type Generation struct{ Dev, Ino uint64 }

// Snapshot is what a utmpx file held at one moment. It is immutable, and shares
// with the snapshot before it the parts that did not change, so that comparing
// the two costs as much as the change. The nil snapshot holds nothing.
type Snapshot struct {
	gen    Generation
	layout *Layout
	chunks []*chunk // all of chunkRecords records, but the last
	n      int
}

type chunk struct{ data string }

// NewSnapshot returns a snapshot of the whole records in data. Chunks that
// equal those of prev, which may be nil, are shared with it.
// A tail shorter than a record is left out.
func NewSnapshot(gen Generation, l *Layout, prev *Snapshot, data []byte) *Snapshot {
	b := NewSnapshotBuilder(gen, l, prev)
	b.Write(data)
	return b.Snapshot()
}

// SnapshotBuilder makes a snapshot from a file read in blocks. As long as what
// it is given equals the snapshot before, it allocates nothing.
type SnapshotBuilder struct {
	s    Snapshot
	prev *Snapshot
	n    int  // chunks added
	same bool // they are all prev's: s.chunks is not filled yet

	part  []byte // the beginning of the next chunk
	alias string // the same, as long as it equals prev's chunk; then part is empty
}

// NewSnapshotBuilder starts a snapshot. What equals prev is shared with it.
func NewSnapshotBuilder(gen Generation, l *Layout, prev *Snapshot) *SnapshotBuilder {
	if !prev.comparable(gen, l) {
		prev = nil
	}
	return &SnapshotBuilder{s: Snapshot{gen: gen, layout: l}, prev: prev, same: prev != nil}
}

// Write adds the bytes that follow. It never fails.
func (b *SnapshotBuilder) Write(p []byte) (int, error) {
	n := len(p)
	full := chunkRecords * b.s.layout.size
	if b.alias != "" {
		b.part, b.alias = append(b.part, b.alias...), ""
	}
	if len(b.part) > 0 {
		k := min(full-len(b.part), len(p))
		b.part, p = append(b.part, p[:k]...), p[k:]
		if len(b.part) < full {
			return n, nil
		}
		b.add(b.part)
		b.part = b.part[:0]
	}
	for len(p) >= full {
		b.add(p[:full])
		p = p[full:]
	}
	if c := b.before(); c != nil && len(p) <= len(c.data) && c.data[:len(p)] == string(p) {
		b.alias = c.data[:len(p)]
	} else {
		b.part = append(b.part, p...)
	}
	return n, nil
}

// before returns the chunk that prev has in the next place, or nil.
func (b *SnapshotBuilder) before() *chunk {
	if b.prev == nil || b.n >= len(b.prev.chunks) {
		return nil
	}
	return b.prev.chunks[b.n]
}

// add takes the next chunk, prev's if it says the same.
func (b *SnapshotBuilder) add(p []byte) {
	c := b.before()
	if c == nil || c.data != string(p) {
		c = &chunk{string(p)}
	}
	b.push(c)
}

func (b *SnapshotBuilder) push(c *chunk) {
	if b.same && c != b.before() {
		b.s.chunks = append(make([]*chunk, 0, len(b.prev.chunks)+1), b.prev.chunks[:b.n]...)
		b.same = false
	}
	if !b.same {
		b.s.chunks = append(b.s.chunks, c)
	}
	b.n++
	b.s.n += len(c.data) / b.s.layout.size
}

// Snapshot ends the building. It returns prev itself if nothing changed.
func (b *SnapshotBuilder) Snapshot() *Snapshot {
	if c := b.before(); b.alias != "" && len(b.alias) == len(c.data) {
		b.push(c)
	} else {
		b.part = append(b.part, b.alias...)
	}
	b.alias = ""
	if whole := len(b.part) / b.s.layout.size * b.s.layout.size; whole > 0 {
		b.add(b.part[:whole])
	}
	b.part = nil
	if b.same && b.s.n == b.prev.n {
		return b.prev
	}
	if b.same {
		b.s.chunks = append(b.s.chunks, b.prev.chunks[:b.n]...)
		b.same = false
	}
	s := b.s // not the builder's own: that holds prev, and prev the one before it
	return &s
}

func (s *Snapshot) comparable(gen Generation, l *Layout) bool {
	return s != nil && s.gen == gen && s.layout == l
}

// Generation returns the file that was read.
func (s *Snapshot) Generation() Generation {
	if s == nil {
		return Generation{}
	}
	return s.gen
}

// Layout returns the layout of the records, nil for the nil snapshot.
func (s *Snapshot) Layout() *Layout {
	if s == nil {
		return nil
	}
	return s.layout
}

// Len returns the number of records.
func (s *Snapshot) Len() int {
	if s == nil {
		return 0
	}
	return s.n
}

// Raw returns the bytes of the record in a slot, 0 ≤ slot < Len. They share
// the snapshot's memory.
func (s *Snapshot) Raw(slot int) string {
	size := s.layout.size
	off := slot % chunkRecords * size
	return s.chunks[slot/chunkRecords].data[off : off+size]
}

// Record returns the record in a slot, 0 ≤ slot < Len.
func (s *Snapshot) Record(slot int) Record { return s.layout.Decode(s.Raw(slot)) }

// All yields every slot with its record.
func (s *Snapshot) All() iter.Seq2[int, Record] {
	return func(yield func(int, Record) bool) {
		for i := range s.Len() {
			if !yield(i, s.Record(i)) {
				return
			}
		}
	}
}

// Changed yields in ascending order the slots whose bytes differ from those in
// prev, or that only one of the two has: all of both, if the file or its layout
// is another.
func (s *Snapshot) Changed(prev *Snapshot) iter.Seq[int] {
	return func(yield func(int) bool) {
		same := s != nil && prev.comparable(s.gen, s.layout)
		n := max(s.Len(), prev.Len())
		for i := 0; i < n; {
			if same && i < s.n && i < prev.n {
				c, d := s.chunks[i/chunkRecords], prev.chunks[i/chunkRecords]
				if c == d {
					i += len(c.data) / s.layout.size
					continue
				}
				if s.Raw(i) == prev.Raw(i) {
					i++
					continue
				}
			}
			if !yield(i) {
				return
			}
			i++
		}
	}
}
