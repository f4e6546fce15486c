// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"errors"
	"io"
	"iter"
	"slices"
	"unsafe"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Entry is one record of a log, and where it is.
type Entry struct {
	utmpx.Record
	Generation snapshot.Generation // of the file
	Offset     int64               // of the record, in bytes; in a compressed file, once decompressed

	first digest    // of the file's first record
	late  *Position // set for a record that was written to a file read before
}

// Forward yields the records from the offset from to the file's end. It reads
// blocks of 512 records, takes no lock, and ends with the first error. Records
// share the memory of their block: see [utmpx.Record.Detach] and [File.Reuse].
// It ends without an error if the file was truncated meanwhile.
func (f *File) Forward(from int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for b, err := range f.blocks(from) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for i := 0; i < len(b.data); i += f.layout.Size() {
				if !yield(f.entry(b, i), nil) {
					return
				}
			}
		}
	}
}

// Backward yields the records before the offset from, the last one first.
// [File.End] is the end; so is any negative from, as a compressed file needs
// it. A compressed file is decompressed from its beginning for each 16,384
// records. Else it is as [File.Forward].
func (f *File) Backward(from int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		blocks := f.blocksBackward
		if f.compression != nil {
			blocks = f.tails
		}
		for b, err := range blocks(from) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for i := len(b.data) - f.layout.Size(); i >= 0; i -= f.layout.Size() {
				if !yield(f.entry(b, i), nil) {
					return
				}
			}
		}
	}
}

// Raw yields the bytes of the records from the offset from on, undecoded, for
// [utmpx.Layout.Peek]: most of a million records need no more. The bytes are
// overwritten once the loop goes on. Else it is as [File.Forward].
func (f *File) Raw(from int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		was := f.reuse
		defer func() { f.reuse = was }()
		f.reuse = true
		size := f.layout.Size()
		for b, err := range f.blocks(from) {
			if err != nil {
				yield(nil, err)
				return
			}
			for i := 0; i < len(b.data); i += size {
				if !yield(b.data[i:i+size:i+size], nil) {
					return
				}
			}
		}
	}
}

// block is some whole records in a row.
type block struct {
	data []byte
	off  int64 // of the first
}

// entry decodes the record at byte i of a block. Nothing writes to the block as
// long as its records are in use.
func (f *File) entry(b block, i int) Entry {
	p := b.data[i : i+f.layout.Size()]
	return Entry{
		Record:     f.layout.Decode(unsafe.String(unsafe.SliceData(p), len(p))),
		Generation: f.info.Generation,
		Offset:     b.off + int64(i),
		first:      f.first,
	}
}

// memory returns where the next block of n bytes goes.
func (f *File) memory(n int64) []byte {
	if f.reuse {
		return (*f.block)[:n]
	}
	return make([]byte, n)
}

// blockSize returns how many bytes are read at once.
func (f *File) blockSize() int64 { return int64(blockRecords * f.layout.Size()) }

// blocks yields the records from an offset on.
func (f *File) blocks(from int64) iter.Seq2[block, error] {
	if f.compression != nil {
		return f.decompressed(max(0, from))
	}
	return func(yield func(block, error) bool) {
		for off := max(0, from); off < f.end; {
			data, err := f.load(off, f.end)
			if err != nil {
				yield(block{}, err)
				return
			}
			if len(data) == 0 || !yield(block{data, off}, nil) {
				return
			}
			off += int64(len(data))
		}
	}
}

// blocksBackward yields the records before an offset, the last block first.
func (f *File) blocksBackward(from int64) iter.Seq2[block, error] {
	return func(yield func(block, error) bool) {
		if from < 0 {
			from = f.end
		}
		for from > 0 {
			off := max(0, from-f.blockSize())
			data, err := f.load(off, from)
			if err != nil {
				yield(block{}, err)
				return
			}
			if !yield(block{data, off}, nil) {
				return
			}
			from = off
		}
	}
}

// load reads the records from off on, at most one block and none after end. It
// returns fewer where the file was truncated meanwhile.
func (f *File) load(off, end int64) ([]byte, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, sysfile.Wrap("read", f.name, err)
	}
	b := f.memory(min(f.blockSize(), end-off))
	n, err := f.h.ReadAt(b, off)
	if err != nil && err != io.EOF {
		return nil, sysfile.Wrap("read", f.name, err)
	}
	return b[:whole(int64(n), f.layout)], nil
}

// decompressed yields the records of a compressed file from an offset on. The
// records before an error come first.
func (f *File) decompressed(from int64) iter.Seq2[block, error] {
	return func(yield func(block, error) bool) {
		s, err := f.stream()
		if err != nil {
			yield(block{}, err)
			return
		}
		defer s.close()
		if _, err := io.CopyN(io.Discard, s, from); err != nil {
			if err != io.EOF {
				yield(block{}, sysfile.Wrap("read", f.name, err))
			}
			return
		}
		for off := from; ; {
			if err := f.ctx.Err(); err != nil {
				yield(block{}, sysfile.Wrap("read", f.name, err))
				return
			}
			b := f.memory(f.blockSize())
			n, err := s.readFull(b)
			if n = int(whole(int64(n), f.layout)); n > 0 && !yield(block{b[:n], off}, nil) {
				return
			}
			off += int64(n)
			if err != nil {
				if err != io.EOF {
					yield(block{}, sysfile.Wrap("read", f.name, err))
				}
				return
			}
		}
	}
}

// tailBlocks is how many blocks of a compressed file are kept while its end is
// looked for.
const tailBlocks = 32

// tails yields the records of a compressed file before an offset, the last block
// first. It keeps no more than tailBlocks of them, and begins again for those
// before. An error at the end of a damaged file comes last.
func (f *File) tails(from int64) iter.Seq2[block, error] {
	return func(yield func(block, error) bool) {
		if f.reuse { // all of a tail is needed at once
			f.reuse = false
			defer func() { f.reuse = true }()
		}
		var failed error
		for from != 0 {
			kept, err := f.tail(from)
			failed = errors.Join(failed, err)
			for _, b := range slices.Backward(kept) {
				if !yield(b, nil) {
					return
				}
			}
			if from = 0; len(kept) > 0 && f.ctx.Err() == nil {
				from = kept[0].off
			}
		}
		if failed != nil {
			yield(block{}, failed)
		}
	}
}

// tail returns the last blocks before an offset, a negative one for the end.
func (f *File) tail(from int64) (kept []block, err error) {
	for b, err := range f.decompressed(0) {
		if err != nil {
			return kept, err
		}
		rest := from - b.off
		last := from >= 0 && rest <= int64(len(b.data))
		if last {
			b.data = b.data[:whole(rest, f.layout)]
		}
		if len(kept) == tailBlocks {
			kept = append(kept[:0], kept[1:]...)
		}
		if len(b.data) > 0 {
			kept = append(kept, b)
		}
		if last {
			break
		}
	}
	return kept, nil
}
