// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"errors"
	"io"
	"os"

	"utmpd.dev/utmpd/utmpx"
)

// The sizes of blocks, in records: the first is small, so that the newest lines cost
// little, and each that follows twice as large, up to the largest. From then on the next
// block is read while the one before is worked on.
const (
	smallestBlock = 32
	largestBlock  = 640
)

// backward reads the records of a file from its end. They are aligned to the end: what is
// before the first whole one is skipped.
type backward struct {
	file   *os.File
	layout *utmpx.Layout
	at     int64  // where the block begins in the file
	block  []byte // what step has read
	next   int    // records in the next block

	ahead  []byte // what is being read, nil if nothing is
	spare  []byte // memory for it
	result chan error
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
	return &backward{file: f, layout: utmpx.Native(), at: size, next: smallestBlock, result: make(chan error, 1)}, err
}

// close waits for what is being read.
func (b *backward) close() {
	if b.ahead != nil {
		<-b.result
	}
}

// step reads the next block and reports whether there is one. The one before is no longer
// valid.
func (b *backward) step() (bool, error) {
	if b.ahead == nil && !b.read() {
		return false, nil
	}
	err := <-b.result
	b.block, b.spare, b.ahead = b.ahead, b.block, nil
	if err != nil {
		return false, err
	}
	if b.next == largestBlock {
		b.read()
	}
	return true, nil
}

// read begins to read a block and reports whether there is one.
func (b *backward) read() bool {
	size := int64(b.layout.Size())
	n := min(b.at/size, int64(b.next)) * size
	if n == 0 {
		return false
	}
	b.at -= n
	if int64(cap(b.spare)) < n {
		b.spare = make([]byte, n)
	}
	block, at := b.spare[:n], b.at
	b.ahead = block
	if b.next < largestBlock {
		b.next = min(2*b.next, largestBlock)
		_, err := b.file.ReadAt(block, at)
		b.result <- err
		return true
	}
	go func() {
		_, err := b.file.ReadAt(block, at)
		b.result <- err
	}()
	return true
}
