// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"fmt"
	"io"
	"sync"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Options are what a [File] or [Log] may be told. The zero value is for this machine.
type Options struct {
	// System is where the files are: the kernel's, if nil.
	System sysfile.System
	// Layout is that of an empty file, and of one that does not show its own
	// for sure: [utmpx.Native], if nil. Then an empty log gets that of the first
	// record written to it, if that was read from a file.
	Layout *utmpx.Layout
}

const (
	// blockRecords is how many records are read at once: as many as a snapshot
	// keeps in four of its chunks.
	blockRecords = 512
	blockSize    = blockRecords * utmpx.MaxSize
)

// opened is what File and Log have in common: a name, its locks, and what is
// known of the file's layout.
type opened struct {
	gate
	expected *utmpx.Layout
	guessed  bool // nobody said so

	known struct {
		sync.Mutex
		layout *utmpx.Layout
		gen    snapshot.Generation
		size   int64
	}
	blocks sync.Pool // of *[]byte, blockSize long
}

func (o *opened) init(name string, opts Options) {
	o.sys, o.name, o.expected = opts.System, name, opts.Layout
	if o.sys == nil {
		o.sys = sysfile.Kernel()
	}
	if o.guessed = o.expected == nil; o.guessed {
		o.expected = utmpx.Native()
	}
	o.blocks.New = func() any { b := make([]byte, blockSize); return &b }
}

// open opens the file for reading. A log's access time is a heartbeat's, and tells
// when the system was last up.
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

// layout tells the layout of an open file. What was once sure is believed as
// long as the file is the same, has not shrunk, and begins with such records.
func (o *opened) layout(h sysfile.Handle, info sysfile.Info) (*utmpx.Layout, error) {
	block := o.blocks.Get().(*[]byte)
	defer o.blocks.Put(block)
	o.known.Lock()
	defer o.known.Unlock()
	if k := &o.known; k.layout != nil && k.gen == info.Generation && k.size <= info.Size {
		head, err := readFull(h, (*block)[:min(4*utmpx.MaxSize, info.Size)], 0)
		if err != nil {
			return nil, err
		}
		if fits, odd := k.layout.Judge(head); odd <= fits {
			k.size = info.Size
			return k.layout, nil
		}
	}
	head, err := readFull(h, (*block)[:min(blockSize, info.Size)], 0)
	if err != nil {
		return nil, err
	}
	l, sure, err := detect(head, o.expected)
	o.known.layout = nil
	if sure {
		o.known.layout, o.known.gen, o.known.size = l, info.Generation, info.Size
	}
	return l, err
}

// LayoutOf decides which layout a file beginning with head is taken for: of the
// first 512 records, or all. expected is that of a file which proves nothing;
// nil is [utmpx.Native]. The error is [ErrLayout].
func LayoutOf(head []byte, expected *utmpx.Layout) (*utmpx.Layout, error) {
	if expected == nil {
		expected = utmpx.Native()
	}
	l, _, err := detect(head, expected)
	return l, err
}

// detect decides which layout a file beginning with head is taken for. Content
// that proves nothing is taken for the layout expected if nothing in it speaks
// against that.
func detect(head []byte, expected *utmpx.Layout) (l *utmpx.Layout, sure bool, err error) {
	g := utmpx.Detect(head)
	if g.Confidence == utmpx.Sure {
		return g.Layout, true, nil
	}
	if g.Blank || len(head) < expected.Size() || g.Confidence == utmpx.Unsure && g.Layout == expected {
		return expected, false, nil
	}
	if _, odd := expected.Judge(head); g.Layout == nil && odd == 0 {
		return expected, false, nil
	}
	if g.Layout != nil {
		return nil, false, fmt.Errorf("%w: %s fits %d of %d records", ErrLayout, g.Layout, g.Fits, g.Fits+g.Odd)
	}
	return nil, false, ErrLayout
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

// tornHint is the error for a file that has bytes, but no whole record.
func tornHint(size int64, l *utmpx.Layout) error {
	return fmt.Errorf("%w: %d bytes, a record of %s has %d", ErrTorn, size, l, l.Size())
}
