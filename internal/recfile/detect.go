// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"fmt"
	"io"
	"sync"

	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Detector finds out in which layout a file is. It remembers the last file
// whose layout was certain. It may be used by many goroutines.
type Detector struct {
	expected *utmpx.Layout
	guessed  bool // expected is only this machine's default

	known struct {
		sync.Mutex
		layout *utmpx.Layout
		gen    snapshot.Generation
		size   int64
	}
}

// NewDetector returns a Detector. A file that is empty, or that fits no layout
// for sure, has the layout expected; nil is [utmpx.Native], and so is a foreign one.
func NewDetector(expected *utmpx.Layout) *Detector {
	if expected == nil || expected.IsForeign() {
		return &Detector{expected: utmpx.Native(), guessed: true}
	}
	return &Detector{expected: expected}
}

// HeadSize is how many bytes of a file's beginning decide on its layout: 512
// records of the largest layout.
const HeadSize = blockSize

// Of returns the layout of the open file r. A layout that was certain stays
// so while the file is the same, has not shrunk, and begins with such records.
// Of reads the file's beginning into block, which has [HeadSize] bytes, and
// leaves at least the first record there. The error is [ErrLayout] if
// the content is not in any layout.
func (d *Detector) Of(r io.ReaderAt, info sysfile.Info, block []byte) (*utmpx.Layout, error) {
	d.known.Lock()
	defer d.known.Unlock()
	if k := &d.known; k.layout != nil && k.gen == info.Generation && k.size <= info.Size {
		head, err := readFull(r, block[:min(4*utmpx.MaxSize, info.Size)], 0)
		if err != nil {
			return nil, err
		}
		if fits, odd := k.layout.Fit(head); odd <= fits {
			k.size = info.Size
			return k.layout, nil
		}
	}
	head, err := readFull(r, block[:min(HeadSize, info.Size)], 0)
	if err != nil {
		return nil, err
	}
	l, sure, err := detect(head, d.expected)
	d.known.layout = nil
	if sure {
		d.known.layout, d.known.gen, d.known.size = l, info.Generation, info.Size
	}
	return l, err
}

// knownFor returns the layout that was certain for that file, nil if none was.
func (d *Detector) knownFor(info sysfile.Info) *utmpx.Layout {
	d.known.Lock()
	defer d.known.Unlock()
	if k := &d.known; k.gen == info.Generation && k.size <= info.Size {
		return k.layout
	}
	return nil
}

// OfHead returns the layout of a file that begins with head: its first
// [HeadSize] bytes, or all of it. The error is [ErrLayout].
func (d *Detector) OfHead(head []byte) (*utmpx.Layout, error) {
	l, _, err := detect(head, d.expected)
	return l, err
}

// detect decides which layout a file beginning with head has. If most records are odd,
// one that can be nothing else decides for the layout expected. Content that proves nothing has the layout
// expected, unless something speaks against it: records that begin elsewhere than at
// multiples of their size, or bytes that fit nothing.
func detect(head []byte, expected *utmpx.Layout) (layout *utmpx.Layout, certain bool, err error) {
	l, sure := utmpx.Detect(head)
	if sure == utmpx.Sure && grid.Has(l, head) {
		return l, true, nil
	}
	if len(head) < expected.Size() {
		return expected, false, nil
	}
	found := grid.Survey(head)
	switch {
	case found.Aligned > 0 && found.Aligned >= found.Moved && grid.Alike(found.Layout, expected):
		return expected, false, nil
	case found.Moved > found.Aligned:
		return nil, false, fmt.Errorf("%w: its records begin elsewhere than at multiples of their size", ErrLayout)
	case sure == utmpx.Sure:
		return l, true, nil
	case l == expected:
		return expected, false, nil
	case l != nil:
		fits, odd := l.Fit(head)
		return nil, false, fmt.Errorf("%w: %s fits %d of %d records", ErrLayout, l, fits, fits+odd)
	}
	if _, odd := expected.Fit(head); odd == 0 {
		return expected, false, nil
	}
	return nil, false, ErrLayout
}
