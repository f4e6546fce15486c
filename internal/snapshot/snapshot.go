// SPDX-License-Identifier: BSD-2-Clause

// Package snapshot holds the records of a utmpx file as they were at one moment. A
// snapshot shares memory with the one before it.
package snapshot

import (
	"iter"

	"utmpd.dev/utmpd/utmpx"
)

// Generation identifies a file by its device and inode, so that files that follow
// one another under one name are told apart. The zero Generation is no file.
type Generation struct{ Dev, Ino uint64 }

// Snapshot holds the records of a utmpx file at one moment. It is immutable. It
// shares unchanged chunks with the snapshot before it, so comparing the two costs
// as much as what changed. The nil snapshot holds no records.
type Snapshot struct {
	gen    Generation
	layout *utmpx.Layout
	chunks []*chunk // all of chunkRecords records, but the last
	n      int
}

// New returns a snapshot of the whole records in data. Chunks that
// equal those of prev, which may be nil, are shared with it.
// A tail shorter than a record is left out.
func New(gen Generation, l *utmpx.Layout, prev *Snapshot, data []byte) *Snapshot {
	b := NewBuilder(gen, l, prev)
	b.Write(data)
	return b.Snapshot()
}

// Builder makes a snapshot from a file read in blocks. It allocates nothing as
// long as the data equals the snapshot before.
type Builder struct {
	s    Snapshot
	prev *Snapshot
	n    int  // chunks added
	old  bool // they are all prev's: s.chunks is not filled yet

	part []byte // the beginning of the next chunk
	same int    // or how many bytes of it are as in prev's chunk; then part is empty
	buf  []byte // to pack a chunk
}

// NewBuilder starts a snapshot. It shares with prev what is equal.
func NewBuilder(gen Generation, l *utmpx.Layout, prev *Snapshot) *Builder {
	if !prev.comparable(gen, l) {
		prev = nil
	}
	return &Builder{s: Snapshot{gen: gen, layout: l}, prev: prev, old: prev != nil}
}

// Write appends p to the data of the snapshot. It never fails.
func (b *Builder) Write(p []byte) (int, error) {
	n := len(p)
	full := chunkRecords * b.s.layout.Size()
	b.copySame()
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
	if c := b.before(); c != nil && c.begins(p) {
		b.same = len(p)
	} else {
		b.part = append(b.part, p...)
	}
	return n, nil
}

// copySame copies what was not copied since it was as in prev.
func (b *Builder) copySame() {
	if b.same > 0 {
		b.part = append(b.part, b.before().all()[:b.same]...)
		b.same = 0
	}
}

// before returns the chunk that prev has in the next place, or nil.
func (b *Builder) before() *chunk {
	if b.prev == nil || b.n >= len(b.prev.chunks) {
		return nil
	}
	return b.prev.chunks[b.n]
}

// add takes the next chunk, prev's if it says the same.
func (b *Builder) add(p []byte) {
	c := b.before()
	if c == nil || !c.is(p) {
		c, b.buf = newChunk(p, b.s.layout.Size(), b.buf)
	}
	b.push(c)
}

func (b *Builder) push(c *chunk) {
	if b.old && c != b.before() {
		b.s.chunks = append(make([]*chunk, 0, len(b.prev.chunks)+1), b.prev.chunks[:b.n]...)
		b.old = false
	}
	if !b.old {
		b.s.chunks = append(b.s.chunks, c)
	}
	b.n++
	b.s.n += c.n
}

// Snapshot ends the building. It returns prev itself if nothing changed.
func (b *Builder) Snapshot() *Snapshot {
	if c := b.before(); b.same > 0 && b.same == c.bytes() {
		b.push(c)
		b.same = 0
	}
	b.copySame()
	if whole := len(b.part) / b.s.layout.Size() * b.s.layout.Size(); whole > 0 {
		b.add(b.part[:whole])
	}
	b.part = nil
	if b.old && b.s.n == b.prev.n {
		return b.prev
	}
	if b.old {
		b.s.chunks = append(b.s.chunks, b.prev.chunks[:b.n]...)
		b.old = false
	}
	s := b.s // not the builder's own: that holds prev, and prev the one before it
	return &s
}

func (s *Snapshot) comparable(gen Generation, l *utmpx.Layout) bool {
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
func (s *Snapshot) Layout() *utmpx.Layout {
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

// Raw returns the bytes of the record in a slot, 0 ≤ slot < Len, in memory of their own.
func (s *Snapshot) Raw(slot int) string { return s.chunks[slot/chunkRecords].raw(slot % chunkRecords) }

// Record returns the record in a slot, 0 ≤ slot < Len, with memory of its own.
func (s *Snapshot) Record(slot int) utmpx.Record { return s.layout.Decode(s.Raw(slot)) }

// All yields every slot with its record.
func (s *Snapshot) All() iter.Seq2[int, utmpx.Record] {
	return func(yield func(int, utmpx.Record) bool) {
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
					i += c.n
					continue
				}
				if c.packed(i%chunkRecords) == d.packed(i%chunkRecords) {
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
