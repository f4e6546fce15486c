// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"context"
	"errors"
	"io"
	"time"

	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// File is one file of a log, open for reading. It is for one goroutine.
type File struct {
	log    *Log
	ctx    context.Context // ends every reading
	h      sysfile.Handle
	borrow bool // h is not ours to close
	name   string
	info   sysfile.Info
	layout *utmpx.Layout
	form   Form   // nil: a record in each slot
	size   int64  // of the file as it is, compressed or not
	end    int64  // see End
	first  digest // of the first record; zero: there is none

	compression *compression // nil: none
	reuse       bool
	block       *[]byte // from recfile's pool
	wide        []byte  // for several blocks
	loads       int     // how often blocks were read
	before      []byte  // for endsWith
}

// Open opens a file of the log: one that [Log.Files] lists, or the present one
// by [Log.Name]. It takes regular files only and follows root's symbolic links
// only. The access time stays, if the caller owns the file or has CAP_FOWNER.
// Reading ends with an error when ctx ends.
func (l *Log) Open(ctx context.Context, name string) (*File, error) {
	h, err := l.sys.Open(name, sysfile.ReadUnseen)
	if err != nil {
		return nil, sysfile.Wrap("open", name, err)
	}
	f, err := l.file(ctx, name, h)
	if err != nil {
		h.Close()
	}
	return f, err
}

// Wrap returns a File that reads from h, which is open as name already: for one
// who holds a lock through it. Closing the File leaves h open.
func (l *Log) Wrap(ctx context.Context, name string, h sysfile.Handle) (*File, error) {
	f, err := l.file(ctx, name, h)
	if f != nil {
		f.borrow = true
	}
	return f, err
}

func (l *Log) file(ctx context.Context, name string, h sysfile.Handle) (*File, error) {
	info, err := h.Info()
	if err != nil {
		return nil, sysfile.Wrap("read", name, err)
	}
	f := &File{log: l, ctx: ctx, h: h, name: name, info: info, size: info.Size, reuse: l.reuse, block: recfile.TakeBlock()}
	if err := f.detect(); err != nil {
		recfile.GiveBlock(f.block)
		return nil, err
	}
	return f, nil
}

// detect finds out how the file is compressed, and its layout.
func (f *File) detect() error {
	n, err := f.h.ReadAt((*f.block)[:magicSize], 0)
	if err != nil && err != io.EOF {
		return sysfile.Wrap("read", f.name, err)
	}
	if f.compression = compressionOf((*f.block)[:n]); f.compression != nil {
		f.end = -1
		return f.detectCompressed()
	}
	if err := f.detectPlain(); err != nil {
		return sysfile.Wrap("read", f.name, err)
	}
	if f.form != nil {
		f.end = f.size
		return nil
	}
	if f.end = whole(f.size, f.layout); f.end > 0 {
		f.first = digestOf((*f.block)[:f.layout.Size()])
	}
	return nil
}

// detectPlain finds out the layout of a file that is not compressed. The block has its
// beginning then.
func (f *File) detectPlain() (err error) {
	if f.log.force != nil {
		f.layout = f.log.force
		_, err = f.h.ReadAt((*f.block)[:f.layout.Size()], 0)
		if err == io.EOF {
			err = nil
		}
		return err
	}
	if f.log.other != nil {
		n, err := f.h.ReadAt((*f.block)[:recfile.HeadSize], 0)
		if err != nil && err != io.EOF || f.isOther((*f.block)[:n]) {
			return ended(err)
		}
	}
	if f.layout, err = f.log.layout.Of(f.h, f.info, *f.block); errors.Is(err, recfile.ErrLayout) {
		f.layout, err = f.layoutWithin(err)
	}
	return err
}

// isOther finds out whether a file that begins so is of another form.
func (f *File) isOther(head []byte) bool {
	f.form = nil
	if f.log.other != nil {
		f.form = f.log.other(head)
	}
	if f.form != nil {
		f.layout = f.form.Layout()
	}
	return f.form != nil
}

// ended returns err, but for the end of a file.
func ended(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// layoutWithin returns the layout that most records have at the beginning, in the
// middle and at the end of a file, wherever they begin; if there are none, the error.
func (f *File) layoutWithin(none error) (*utmpx.Layout, error) {
	var best grid.Evidence
	block := (*f.block)[:recfile.HeadSize]
	for _, from := range []int64{f.size - recfile.HeadSize, f.size / 2, 0} { // the block keeps the beginning
		n, err := f.h.ReadAt(block, max(0, from))
		if err != nil && err != io.EOF {
			return nil, err
		}
		if e := grid.Survey(block[:n]); best.Layout == nil || e.Aligned+e.Moved > best.Aligned+best.Moved {
			best = e
		}
	}
	if best.Layout == nil {
		return nil, none
	}
	return best.Layout, nil
}

// detectCompressed finds out the layout of a compressed file.
func (f *File) detectCompressed() error {
	s, err := f.stream()
	if err != nil {
		return err
	}
	defer s.close()
	n, err := s.readFull(*f.block)
	if err == io.EOF || n > 0 {
		err = nil // what comes after the first records shows when they are read
	}
	head := (*f.block)[:n]
	if f.layout = f.log.force; f.layout == nil && err == nil && f.isOther(head) {
		return nil
	} else if f.layout == nil && err == nil {
		if f.layout, err = f.log.layout.OfHead(head); errors.Is(err, recfile.ErrLayout) {
			if e := grid.Survey(head); e.Layout != nil {
				f.layout, err = e.Layout, nil
			}
		}
	}
	if err == nil && n >= f.layout.Size() {
		f.first = digestOf(head[:f.layout.Size()])
	}
	return sysfile.Wrap("read", f.name, err)
}

// whole returns size without a partial record at the end.
func whole(size int64, l *utmpx.Layout) int64 { return size - size%int64(l.Size()) }

// Close releases the file.
func (f *File) Close() error {
	if f.block == nil {
		return nil
	}
	recfile.GiveBlock(f.block)
	f.block = nil
	if f.borrow {
		return nil
	}
	return sysfile.Wrap("close", f.name, f.h.Close())
}

// Reuse makes the file's records share one block of memory, which the reading of
// the next block overwrites, as Reuse of [Options] does. It returns f.
func (f *File) Reuse() *File {
	f.reuse = true
	return f
}

// Name returns the name under which the file was opened.
func (f *File) Name() string { return f.name }

// Generation tells this file from others.
func (f *File) Generation() snapshot.Generation { return f.info.Generation }

// Layout returns the layout of the file's records.
func (f *File) Layout() *utmpx.Layout { return f.layout }

// Other reports whether the file is of another form: see Other of [Options]. Its records may
// take less room than their bytes, and damage at its end is told like any other.
func (f *File) Other() bool { return f.form != nil }

// Modified returns when the file was changed last before it was opened.
func (f *File) Modified() time.Time { return f.info.Modified }

// Compressed reports whether the file is compressed.
func (f *File) Compressed() bool { return f.compression != nil }

// End returns the offset of the end of the last whole record, as the file was
// when it was opened or at the last [File.Refresh]. A compressed file does not
// tell, and has -1.
func (f *File) End() int64 { return f.end }

// TornEnd returns the damage of a file that ends with a part of a record, and that nobody has
// written to for a second: a writer at work may be in the middle of one. Where records begin
// at no multiple of their size, since bytes before them were inserted or lost, it looks for
// the last one. It returns nil for files that tell damage at their end like any other: see
// Other and Torn of [Options].
func (f *File) TornEnd() error {
	if f.Compressed() || f.form != nil || f.log.force != nil || f.layout == nil {
		return nil
	}
	if age := time.Since(f.info.Modified); age >= 0 && age < time.Second {
		return nil
	}
	if end := f.lastEnd(); end < f.size {
		return f.damage(grid.Part{Off: end, End: f.size})
	}
	return nil
}

// lastEnd returns the end of the last whole record, or of damage after it. What cannot be
// read is told by who reads the records.
func (f *File) lastEnd() int64 {
	for p, err := range f.backwardParts(&plain{f: f}, f.size, f.size) {
		if err != nil {
			return f.size
		}
		return p.End
	}
	return f.end
}

// Size returns the size of the file as it is, compressed or not, at the same moment.
func (f *File) Size() int64 { return f.size }

// Refresh looks at the file again, so that records appended meanwhile are read. A
// file that was empty shows its layout now.
func (f *File) Refresh() error {
	info, err := f.h.Info()
	if err != nil {
		return sysfile.Wrap("read", f.name, err)
	}
	f.info, f.size, f.first = info, info.Size, digest{}
	return f.detect()
}

// blockRecords is how many records are read at once.
const blockRecords = recfile.HeadSize / utmpx.MaxSize
