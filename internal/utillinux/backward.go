// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"errors"
	"io"
	"os"

	"utmpd.dev/utmpd/utmpx"
)

// The sizes of blocks, in records: the first is small, so that the newest lines cost
// little, and each that follows twice as large, up to what the processor's cache holds.
// Reading in a goroutine of its own costs more than it saves.
const (
	smallestBlock = 32
	largestBlock  = 256
)

// backward reads the records of a file from its end. They are aligned to the end: what is
// before the first whole one is skipped.
type backward struct {
	file   *os.File
	layout *utmpx.Layout
	at     int64  // where the block begins in the file
	block  []byte // what step has read
	next   int    // records in the next block
}

// begins returns the time of a file's first record, or of its last change if it has none.
func begins(f *os.File, old bool) (int64, error) {
	layout := utmpx.Native()
	first := make([]byte, layout.Size())
	switch _, err := io.ReadFull(f, first); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return changed(f), nil
	case err != nil:
		return changed(f), err
	}
	r := decode(layout, first, old)
	return r.Time.Sec, nil
}

func newBackward(f *os.File) (*backward, error) {
	size, err := f.Seek(0, io.SeekEnd)
	return &backward{file: f, layout: utmpx.Native(), at: size, next: smallestBlock}, err
}

// step reads the next block and reports whether there is one. The one before is no longer
// valid.
func (b *backward) step() (bool, error) {
	size := int64(b.layout.Size())
	n := min(b.at/size, int64(b.next)) * size
	if n == 0 {
		return false, nil
	}
	if int64(cap(b.block)) < n {
		b.block = make([]byte, n)
	}
	b.next = min(2*b.next, largestBlock)
	b.block = b.block[:n]
	b.at -= n
	_, err := b.file.ReadAt(b.block, b.at)
	return err == nil, err
}
