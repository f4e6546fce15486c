// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"iter"

	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/utmpx"
)

// Form finds the records of a file that are not one in each slot of a layout that this
// package looks for itself.
type Form interface {
	Layout() *utmpx.Layout
	Least() int64                                          // the size of the shortest record in a file
	Forward(c Content, from int64) iter.Seq2[Piece, error] // from 0, or from the end of a record
	Backward(c Content) iter.Seq2[Piece, error]            // from the end of the file
}

// Content is the bytes of a file. What At returns is valid until the next call, and longer
// unless the file's memory is reused.
type Content struct {
	At   func(from, to int64) ([]byte, error)
	Size int64
}

// Piece is a part of a file: records in a row, each of the layout's size; or damage if there
// are none.
type Piece struct {
	Off, End int64
	Records  []byte
}

// others yields the pieces of a file of another form.
func (f *File) others(pieces iter.Seq2[Piece, error]) iter.Seq2[block, error] {
	return func(yield func(block, error) bool) {
		for p, err := range pieces {
			b := block{p.Records, p.Off, f.layout}
			if err == nil && p.Records == nil {
				b, err = block{}, f.damage(grid.Part{Off: p.Off, End: p.End})
			}
			if !yield(b, err) || err != nil && !IsDamage(err) {
				return
			}
		}
	}
}

// formWindow is how many bytes a Form looks at together, at most.
const formWindow = 1 << 17
