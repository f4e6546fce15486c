// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"io"
	"os"

	"utmpd.dev/utmpd/utmpx"
)

// The sizes of blocks, in records: the first is small, so that the newest lines cost
// little, and each that follows twice as large, up to the largest.
const (
	smallestBlock = 32
	largestBlock  = 640
)

// backward reads the records of a file from its end. They are aligned to the end: what is
// before the first whole one is skipped.
type backward struct {
	file   *os.File
	layout *utmpx.Layout
	size   int64  // of the file
	at     int64  // where the block begins in the file
	block  []byte // what of it has not been returned
	memory []byte
	next   int // records in the next block
}

func newBackward(f *os.File) (*backward, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := &backward{file: f, layout: utmpx.Native(), size: info.Size(), at: info.Size(), next: smallestBlock}
	return b, nil
}

// begins returns the time of the first record, or of the file's last change if it has
// none.
func (b *backward) begins(old bool) (int64, error) {
	first := make([]byte, b.layout.Size())
	_, err := io.ReadFull(b.file, first)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return changed(b.file), nil
	} else if err != nil {
		return changed(b.file), err
	}
	r := decode(b.layout, first, old)
	return r.Time.Sec, nil
}

// step reads the next block and reports whether there is one.
func (b *backward) step() (bool, error) {
	size := int64(b.layout.Size())
	n := min(b.at/size, int64(b.next)) * size
	if n == 0 {
		return false, nil
	}
	b.next = min(2*b.next, largestBlock)
	if int64(len(b.memory)) < n {
		b.memory = make([]byte, n)
	}
	b.at -= n
	b.block = b.memory[:n]
	_, err := b.file.ReadAt(b.block, b.at)
	return err == nil, err
}
