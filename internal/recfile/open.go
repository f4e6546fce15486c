// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"fmt"
	"io"
	"sync"

	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Options configure a [File] or a [Log]. The zero value is for this machine.
type Options struct {
	// System is where the files are. nil is the kernel's.
	System sysfile.System
	// Layout is that of an empty file, and of one that does not show its own for
	// certain. nil is [utmpx.Native]; then an empty log gets the layout of the
	// first record written to it, if that was read from a file.
	Layout *utmpx.Layout
	// Apart is a name that must lead to another file. As long as both lead to one,
	// that file is neither taken for records nor written to: [ErrOneFile].
	Apart string
}

const (
	// blockRecords is how many records are read at once: four chunks of a
	// snapshot.
	blockRecords = 512
	blockSize    = blockRecords * utmpx.MaxSize
)

// blocks are buffers of blockSize bytes, for this package and package logs. All files share
// them: one is read at a time, as a rule.
var blocks = sync.Pool{New: func() any { b := make([]byte, blockSize, blockSize+8*utmpx.MaxSize); return &b }}

// TakeBlock returns a buffer of [HeadSize] bytes, with any content, and with room for
// the records around a block. Give it back with
// [GiveBlock].
func TakeBlock() *[]byte { return blocks.Get().(*[]byte) }

// GiveBlock takes back a buffer that nothing uses any more.
func GiveBlock(b *[]byte) { blocks.Put(b) }

// opened is what File and Log have in common: a name, its locks, and the detector
// of its layout.
type opened struct {
	gate
	detector *Detector
}

func (o *opened) init(name string, opts Options) {
	o.sys, o.name, o.apart, o.detector = opts.System, name, opts.Apart, NewDetector(opts.Layout)
	if o.sys == nil {
		o.sys = sysfile.Kernel()
	}
}

// open opens the file for reading. It leaves a log's access time, which is the
// heartbeat's.
func (o *opened) open() (sysfile.Handle, sysfile.Info, error) {
	h, err := o.sys.Open(o.name, sysfile.ReadUnseen)
	if err != nil {
		return nil, sysfile.Info{}, wrap("open", o.name, err)
	}
	info, err := h.Info()
	if err != nil {
		h.Close()
		return nil, sysfile.Info{}, wrap("read", o.name, err)
	}
	return h, info, nil
}

// layout returns the layout of an open file.
func (o *opened) layout(h sysfile.Handle, info sysfile.Info) (*utmpx.Layout, error) {
	block := TakeBlock()
	defer GiveBlock(block)
	return o.detector.Of(h, info, *block)
}

// readFull reads into p at off. It returns less only where the file ends.
func readFull(r io.ReaderAt, p []byte, off int64) ([]byte, error) {
	if len(p) == 0 {
		return p, nil
	}
	n, err := r.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return p[:n], err
}

// tornHint is the error of a file that has bytes, but no whole record.
func tornHint(size int64, l *utmpx.Layout) error {
	return fmt.Errorf("%w: %d bytes, a record of %s has %d", ErrTorn, size, l, l.Size())
}

// whole returns size without a partial record at the end.
func whole(size int64, l *utmpx.Layout) int64 { return size - size%int64(l.Size()) }
