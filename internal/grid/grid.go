// SPDX-License-Identifier: BSD-2-Clause

package grid

import (
	"iter"
	"slices"

	"utmpd.dev/utmpd/utmpx"
)

// File is the content of a log.
type File struct {
	// At returns the bytes from one offset to another, all of them or an error. They
	// need to stay valid until the next call only.
	At func(from, to int64) ([]byte, error)
	// Size is how many bytes there are.
	Size int64
	// Layout is the one that most records have. It decides where nothing else does.
	Layout *utmpx.Layout
	// Chunk is how many bytes are looked at together. It has part in the result
	// where records are forged by the thousand, and nowhere else.
	Chunk int64
}

// Part is a piece of a file: records in a row, or damage.
type Part struct {
	Layout   *utmpx.Layout // nil: damage
	Off, End int64
}

// Forward yields the parts of the file from an offset on: 0, or the end of a
// record. Bytes at the end of the file that make no record are no part: a record may
// be being written there. An error ends the iteration.
func (f *File) Forward(from int64) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		w := &walk{f: f, yield: merged{yield: yield}, least: max(0, from), most: f.Size}
		w.forward()
	}
}

// Backward yields the parts of the file before an offset, the last one first: the
// end of a record, or the file's size.
func (f *File) Backward(from int64) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		w := &walk{f: f, yield: merged{yield: yield}, most: min(from, f.Size)}
		w.backward()
	}
}

// place is an offset, and the grid that the records there are on. Without one it is
// the beginning or the end of the file.
type place struct {
	*shape
	off int64
}

// walk is one iteration.
type walk struct {
	f           *File
	yield       merged
	least, most int64   // what is outside is left out
	hint        place   // on the grid found last
	one         [1]span // what spans returned last, if that is one
}

func (w *walk) forward() {
	f := w.f
	w.hint = place{w.main(), w.least}
	var left place
	var err error
	first := w.least / f.Chunk
	for k := first; k*f.Chunk < f.Size && err == nil; k++ {
		var found []span
		if found, err = w.spans(k); err != nil {
			break
		}
		if k == first && (len(found) == 0 || found[0].off > w.least) {
			found = slices.Clone(found)
			if left, err = w.before(k); err != nil {
				break
			}
		}
		for _, s := range found {
			if err = w.gap(left, s.begin(), false); err != nil || !w.emit(s.shape, s.off, s.end()) {
				w.yield.end(err)
				return
			}
			left = place{s.shape, s.end()}
		}
	}
	if err == nil {
		err = w.gap(left, place{nil, f.Size}, false)
	}
	w.yield.end(err)
}

func (w *walk) backward() {
	f := w.f
	w.hint = place{w.main(), 0}
	if w.most < f.Size {
		w.hint.off = w.most
	}
	var right place
	var err error
	last := max(0, w.most-1) / f.Chunk
	for k := last; k >= 0 && err == nil; k-- {
		var found []span
		if found, err = w.spans(k); err != nil {
			break
		}
		if n := len(found); k == last && (n == 0 || found[n-1].end() < w.most) {
			found = slices.Clone(found)
			if right, err = w.after(k); err != nil {
				break
			}
		}
		for i := len(found) - 1; i >= 0; i-- {
			s := found[i]
			if err = w.gap(place{s.shape, s.end()}, right, true); err != nil || !w.emit(s.shape, s.off, s.end()) {
				w.yield.end(err)
				return
			}
			right = s.begin()
		}
	}
	if err == nil && w.most > 0 {
		err = w.gap(place{}, right, true)
	}
	w.yield.end(err)
}

// main returns the shape of the file's layout.
func (w *walk) main() *shape { return shapeFor[w.f.Layout] }

// layoutFor returns which of the layouts that read like the shape's is that of a file
// whose layout is main.
func (s *shape) layoutFor(main *utmpx.Layout) *utmpx.Layout {
	if shapeFor[main] == s {
		return main
	}
	return s.layout
}

// before returns where the last record ends that begins before a chunk.
func (w *walk) before(k int64) (place, error) {
	for k--; k >= 0; k-- {
		found, err := w.spans(k)
		if err != nil {
			return place{}, err
		}
		if n := len(found); n > 0 {
			return place{found[n-1].shape, found[n-1].end()}, nil
		}
	}
	return place{}, nil
}

// after returns where the first record begins behind a chunk.
func (w *walk) after(k int64) (place, error) {
	for k++; k*w.f.Chunk < w.f.Size; k++ {
		found, err := w.spans(k)
		if err != nil {
			return place{}, err
		}
		if len(found) > 0 {
			return found[0].begin(), nil
		}
	}
	return place{nil, w.f.Size}, nil
}

// emit yields records, or damage if s is nil, and reports whether to go on.
func (w *walk) emit(s *shape, off, end int64) bool {
	if s == nil {
		off, end = max(off, w.least), min(end, w.most)
		return off >= end || w.yield.part(Part{nil, off, end})
	}
	size := int64(s.size)
	if off < w.least {
		off += (w.least - off + size - 1) / size * size
	}
	if end > w.most {
		end -= (end - w.most + size - 1) / size * size
	}
	return off >= end || w.yield.part(Part{s.layoutFor(w.f.Layout), off, end})
}

// merged makes one part of damage in a row.
type merged struct {
	yield   func(Part, error) bool
	damage  Part
	stopped bool
}

func (m *merged) part(p Part) bool {
	switch d := &m.damage; {
	case m.stopped:
	case p.Layout != nil:
		m.flush()
		m.stopped = m.stopped || !m.yield(p, nil)
	case d.End > d.Off && (p.Off == d.End || p.End == d.Off):
		d.Off, d.End = min(d.Off, p.Off), max(d.End, p.End)
	default:
		m.flush()
		m.damage = p
	}
	return !m.stopped
}

func (m *merged) flush() {
	if d := m.damage; d.End > d.Off && !m.stopped {
		m.damage = Part{}
		m.stopped = !m.yield(d, nil)
	}
}

// end yields what is left, and the error that ended the walk.
func (m *merged) end(err error) {
	m.flush()
	if err != nil && !m.stopped {
		m.yield(Part{}, err)
	}
}
