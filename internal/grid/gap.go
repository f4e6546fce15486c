// SPDX-License-Identifier: BSD-2-Clause

package grid

// gap yields what is between two records that are sure, or between one and the
// beginning or the end of the file.
func (w *walk) gap(left, right place, back bool) error {
	if w.yield.stopped || left.off >= right.off || right.off <= w.least || left.off >= w.most {
		return nil
	}
	switch {
	case left.shape == nil && right.shape == nil:
		left.shape = w.main() // nothing is sure: as it always was
	case left.shape == nil && right.off%int64(right.size) == 0:
		left.shape = right.shape
	}
	if right.shape == nil {
		right = place{left.shape, right.off - (right.off-left.off)%int64(left.size)}
	}
	if left.shape == right.shape && (right.off-left.off)%int64(left.size) == 0 {
		return w.slots(left, right.off, back)
	}
	return w.moved(left, right, back)
}

// slots yields the records on one grid from a place to an offset, and as damage those
// that are none.
func (w *walk) slots(from place, end int64, back bool) error {
	size := int64(from.size)
	step := max(1, w.f.Chunk/size) * size
	n := (end - from.off + step - 1) / step
	for i := range n {
		if back {
			i = n - 1 - i
		}
		off := from.off + i*step
		to := min(off+step, end)
		if to <= w.least || off >= w.most {
			continue
		}
		b, err := w.f.At(off, to)
		if err != nil {
			return err
		}
		var runs []span
		for at := off; at < to; at += size {
			s := from.shape
			if !s.odd(b[at-off : at-off+size]) {
				s = nil
			}
			if k := len(runs) - 1; k >= 0 && runs[k].shape == s {
				runs[k].n++
			} else {
				runs = append(runs, span{s, at, 1})
			}
		}
		for j := range runs {
			if back {
				j = len(runs) - 1 - j
			}
			if r := runs[j]; !w.emit(r.shape, r.off, r.off+r.n*size) {
				return nil
			}
		}
	}
	return nil
}

// moved yields what is between two records of different grids: on each side those
// that fit strictly, and the rest as damage.
func (w *walk) moved(left, right place, back bool) error {
	x, err := w.reach(left, right.off, 1)
	if err != nil {
		return err
	}
	y, err := w.reach(right, left.off, -1)
	if err != nil {
		return err
	}
	if x > y { // both claim some bytes: neither has them
		end, begin := left.off, right.off
		if left.shape != nil {
			end += (y - left.off) / int64(left.size) * int64(left.size)
		}
		begin -= (right.off - x) / int64(right.size) * int64(right.size)
		x, y = end, begin
	}
	if back {
		_ = w.emit(right.shape, y, right.off) && w.emit(nil, x, y) && w.emit(left.shape, left.off, x)
	} else {
		_ = w.emit(left.shape, left.off, x) && w.emit(nil, x, y) && w.emit(right.shape, y, right.off)
	}
	return nil
}

// reach returns how far records fit strictly from a place on, in one direction, and
// not beyond an offset.
func (w *walk) reach(from place, limit int64, dir int64) (int64, error) {
	off := from.off
	if from.shape == nil {
		return off, nil
	}
	size := int64(from.size)
	for n := int64(1); ; n = min(2*n, max(1, w.f.Chunk/size)) { // most often there is none
		n := min(n, dir*(limit-off)/size)
		if n <= 0 {
			return off, nil
		}
		b, err := w.f.At(min(off, off+dir*n*size), max(off, off+dir*n*size))
		if err != nil {
			return off, err
		}
		for i := range n {
			at := i * size
			if dir < 0 {
				at = (n - 1 - i) * size
			}
			if !from.strict(b[at : at+size]) {
				return off, nil
			}
			off += dir * size
		}
	}
}
