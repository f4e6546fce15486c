// SPDX-License-Identifier: BSD-2-Clause

package grid

import (
	"cmp"
	"slices"

	"utmpd.dev/utmpd/utmpx"
)

// span is some records in a row on one grid.
type span struct {
	*shape
	off, n int64
}

func (s span) begin() place { return place{s.shape, s.off} }
func (s span) end() int64   { return s.off + s.n*int64(s.size) }

// spans returns the records that are sure and begin in a chunk, in order.
func (w *walk) spans(k int64) ([]span, error) {
	lo := k * w.f.Chunk
	hi := min(lo+w.f.Chunk, w.f.Size)
	s, clean, err := w.clean(w.hint, w.trusted(lo, hi), min(hi, w.most))
	w.one[0] = s
	found := w.one[:]
	if err == nil && !clean {
		found, err = w.sure(lo, hi)
	}
	if n := len(found); n > 0 && err == nil {
		w.hint = found[n-1].begin()
	}
	return found, err
}

// trusted returns where to begin in a chunk: at the offset from which the walk began,
// which is the end of a record.
func (w *walk) trusted(lo, hi int64) int64 {
	if w.least > lo && w.least < hi {
		return w.least
	}
	return lo
}

// neighbours is how many records beside a chunk must look well too: what is behind a
// torn record shows that it is torn.
const neighbours = 2

// clean reports whether a chunk is full of records on one grid, by their types and
// times, with an anchor among them. It returns the records that begin there.
func (w *walk) clean(on place, lo, hi int64) (span, bool, error) {
	size := int64(on.size)
	first := lo + ((on.off-lo)%size+size)%size
	if first > 0 && lo == 0 {
		return span{}, false, nil
	}
	n := (hi - first + size - 1) / size
	if n > 0 && first+n*size > w.f.Size {
		n--
	}
	if n <= 0 {
		return span{}, false, nil
	}
	from := max(first%size, first-neighbours*size)
	to := first + min(n+neighbours, (w.f.Size-first)/size)*size
	b, err := w.f.At(from, to)
	if err != nil {
		return span{}, false, err
	}
	if !on.allCheap(b) || !on.hasAnchor(b[first-from:first-from+n*size]) {
		return span{}, false, nil
	}
	return span{on.shape, first, n}, true, nil
}

// Clean reports whether b is nothing but records of a layout, by their types and
// times, with an anchor among them.
func Clean(l *utmpx.Layout, b []byte) bool {
	s := shapeFor[l]
	return s.allCheap(b) && s.hasAnchor(b)
}

// Has reports whether one of the records of a layout in b, a part of one left out, is
// an anchor.
func Has(l *utmpx.Layout, b []byte) bool {
	return shapeFor[l].hasAnchor(b[:len(b)-len(b)%l.Size()])
}

func (s *shape) allCheap(b []byte) bool {
	for i := 0; i < len(b); i += s.size {
		if r := b[i : i+s.size]; !s.ordinary(r) && !s.cheap(r) {
			return false
		}
	}
	return true
}

func (s *shape) hasAnchor(b []byte) bool {
	for i := 0; i < len(b); i += s.size {
		if s.anchor(b[i : i+s.size]) {
			return true
		}
	}
	return false
}

// anchor is a place at which nothing but a record can be.
type anchor struct {
	place
	support int
}

// within is among how many records to either side an anchor's support is counted.
const within = 64

// sure returns the anchors in a chunk that win. If all the chunk is on one grid, it
// returns all its records.
func (w *walk) sure(lo, hi int64) ([]span, error) {
	const margin = (within + neighbours) * utmpx.MaxSize
	from, to := max(0, lo-margin), min(w.f.Size, hi+margin)
	b, err := w.f.At(from, to)
	if err != nil {
		return nil, err
	}
	all := anchorsIn(b, from)
	count(all)
	var won []span
	for i := range all {
		if a := &all[i]; a.off >= lo && a.off < hi && wins(all, i) {
			if n := len(won) - 1; n >= 0 && won[n].shape == a.shape && won[n].end() == a.off {
				won[n].n++
			} else {
				won = append(won, span{a.shape, a.off, 1})
			}
		}
	}
	return w.oneGrid(won, lo, hi)
}

// oneGrid returns all records of a chunk if they are on one of the grids found, else
// what was found.
func (w *walk) oneGrid(found []span, lo, hi int64) ([]span, error) {
	for i, s := range found {
		if i > 0 && s.shape == found[i-1].shape && (s.off-found[i-1].off)%int64(s.size) == 0 {
			continue
		}
		if all, ok, err := w.clean(s.begin(), lo, hi); ok || err != nil {
			return []span{all}, err
		}
		if i == 8 {
			break // it is not one grid
		}
	}
	return found, nil
}

// anchorsIn returns all anchors in b, which begins at an offset, in order. It looks
// for the two bytes of a type.
func anchorsIn(b []byte, off int64) (all []anchor) {
	for p := 1; p < len(b); p++ {
		x, y := b[p-1], b[p]
		if x != 0 && y != 0 || x|y == 0 || x|y > byte(utmpx.DownTime) {
			continue
		}
		for _, s := range shapes {
			i := p - 1 - min(s.low, s.top)
			if i >= 0 && i+s.size <= len(b) && s.anchor(b[i:i+s.size]) {
				all = append(all, anchor{place: place{s, off + int64(i)}})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b anchor) int { return cmp.Compare(a.off, b.off) })
	return all
}

// count counts the support of each anchor: those on its grid within 64 records.
func count(all []anchor) {
	type key struct {
		*shape
		phase int64
	}
	grids := map[key][]*anchor{}
	for i := range all {
		a := &all[i]
		k := key{a.shape, a.off % int64(a.size)}
		grids[k] = append(grids[k], a)
	}
	for k, as := range grids {
		reach := within * int64(k.size)
		for i, j, n := 0, 0, 0; n < len(as); n++ {
			for as[n].off-as[i].off > reach {
				i++
			}
			for j < len(as) && as[j].off-as[n].off <= reach {
				j++
			}
			as[n].support = j - i
		}
	}
}

// wins reports whether an anchor has more support than each that overlaps it.
func wins(all []anchor, i int) bool {
	a := all[i]
	first, _ := slices.BinarySearchFunc(all, a.off-utmpx.MaxSize, func(b anchor, off int64) int { return cmp.Compare(b.off, off) })
	for j := first; j < len(all) && all[j].off < a.off+int64(a.size); j++ {
		if b := all[j]; j != i && b.off+int64(b.size) > a.off && b.support >= a.support {
			return false
		}
	}
	return true
}
