// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"errors"
	"io"
	"iter"
	"unsafe"

	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Entry is one record of a log, and where it is.
type Entry struct {
	utmpx.Record
	Where
	Generation snapshot.Generation // of the file
}

// Where is where a record is in its file.
type Where struct {
	Offset int64 // of the record, in bytes; in a compressed file, once decompressed

	first digest    // of the file's first record
	late  *Position // set for a record that was written to a file read before
}

// Forward yields the records from the offset from to the file's end. It reads
// blocks of 512 records, takes no lock, and ends with the first error but a
// [DamageError], after which it goes on. Records
// share the memory of their block: see [utmpx.Record.Detach] and [File.Reuse].
// It ends without an error if the file was truncated meanwhile.
func (f *File) Forward(from int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for b, err := range untilTruncated(f.blocks(from)) {
			if err != nil && !yield(Entry{}, err) {
				return
			}
			for i := 0; i < len(b.data); i += b.layout.Size() {
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
		for b, err := range untilTruncated(f.blocksBackward(from)) {
			if err != nil && !yield(Entry{}, err) {
				return
			}
			if b.layout == nil {
				continue
			}
			for i := len(b.data) - b.layout.Size(); i >= 0; i -= b.layout.Size() {
				if !yield(f.entry(b, i), nil) {
					return
				}
			}
		}
	}
}

// Undecoded is one record of a log as bytes.
type Undecoded struct {
	Layout *utmpx.Layout
	Bytes  []byte
	Offset int64
}

// Peek is [utmpx.Layout.Peek].
func (u Undecoded) Peek() (typ utmpx.Type, at utmpx.Time, line byte) { return u.Layout.Peek(u.Bytes) }

// Decode is [utmpx.Layout.Decode], of a copy of the bytes.
func (u Undecoded) Decode() utmpx.Record { return u.Layout.Decode(string(u.Bytes)) }

// Raw yields the records from the offset from on, undecoded: most of a million
// records need no more than [Undecoded.Peek]. The bytes are overwritten once the
// loop goes on. Else it is as [File.Forward].
func (f *File) Raw(from int64) iter.Seq2[Undecoded, error] {
	return func(yield func(Undecoded, error) bool) {
		defer f.reuses()()
		for b, err := range untilTruncated(f.blocks(from)) {
			if err != nil {
				if !yield(Undecoded{}, err) {
					return
				}
				continue
			}
			size := b.layout.Size()
			for i := 0; i < len(b.data); i += size {
				if !yield(Undecoded{b.layout, b.data[i : i+size : i+size], b.off + int64(i)}, nil) {
					return
				}
			}
		}
	}
}

// Rows are some records of a log in a row, as bytes. For one who takes a million of them
// apart, a call for each costs as much as the rest.
type Rows struct {
	Layout *utmpx.Layout
	Bytes  []byte
	Offset int64 // of the first
}

// RowsBackward yields the records before the offset from, undecoded, the last rows first.
// The bytes are overwritten once the loop goes on. Else it is as [File.Backward].
func (f *File) RowsBackward(from int64) iter.Seq2[Rows, error] {
	return func(yield func(Rows, error) bool) {
		defer f.reuses()()
		for b, err := range untilTruncated(f.blocksBackward(from)) {
			if !yield(b.rows(), err) {
				return
			}
		}
	}
}

// reuses makes the blocks share their memory until the function that it returns is called.
func (f *File) reuses() (end func()) {
	was := f.reuse
	f.reuse = true
	return func() { f.reuse = was }
}

func (b *block) rows() Rows { return Rows{b.layout, b.data, b.off} }

// untilTruncated ends the blocks where the file was truncated meanwhile.
func untilTruncated(blocks iter.Seq2[block, error]) iter.Seq2[block, error] {
	return func(yield func(block, error) bool) {
		for b, err := range blocks {
			if errors.Is(err, errTruncated) || !yield(b, err) {
				return
			}
		}
	}
}

// text returns bytes as a string that is good until they change.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// block is some whole records in a row.
type block struct {
	data   []byte
	off    int64 // of the first
	layout *utmpx.Layout
}

// entry decodes the record at byte i of a block. Nothing writes to the block as
// long as its records are in use.
func (f *File) entry(b block, i int) (e Entry) {
	b.layout.DecodeTo(&e.Record, text(b.data[i:i+b.layout.Size()]))
	e.Where = Where{Offset: b.off + int64(i), first: f.first}
	e.Generation = f.info.Generation
	return e
}

// memory returns where the next n bytes go.
func (f *File) memory(n int64) []byte {
	switch {
	case !f.reuse:
		return make([]byte, n)
	case n <= int64(cap(*f.block)):
		return (*f.block)[:n]
	case n > int64(cap(f.wide)):
		f.wide = make([]byte, max(n, f.aheadMost()))
	}
	return f.wide[:n]
}

// blockSize returns how many bytes are looked at and decoded together. More would not fit the
// second cache of many processors beside what else is in it.
func (f *File) blockSize() int64 { return int64(blockRecords * f.layout.Size()) }

// aheadMost returns how many bytes are read at once, if those before were read too.
func (f *File) aheadMost() int64 { return aheadBlocks * f.blockSize() }

// aheadBlocks is how many blocks are read at once from a file that is read from end to end.
const aheadBlocks = 8

// blocks yields the records from an offset on. A [DamageError] stands for bytes
// without a record, and does not end it.
func (f *File) blocks(from int64) iter.Seq2[block, error] {
	if f.compression != nil {
		return f.decompressed(max(0, from))
	}
	from = max(0, from)
	return f.forwardIn(&plain{f: f}, f.size, from)
}

// blocksBackward yields the records before an offset, the last block first.
func (f *File) blocksBackward(from int64) iter.Seq2[block, error] {
	if f.compression != nil {
		return f.tails(from)
	}
	if from < 0 || from == f.end {
		from = f.size
	}
	return f.backwardIn(&plain{f: f}, f.size, from)
}

// load reads bytes from an offset on into b. If the file was truncated meanwhile, the
// error is errTruncated.
func (f *File) load(from int64, b []byte) ([]byte, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, sysfile.Wrap("read", f.name, err)
	}
	f.loads++
	n, err := f.h.ReadAt(b, from)
	if err != nil && err != io.EOF {
		return nil, sysfile.Wrap("read", f.name, err)
	}
	if n < len(b) {
		return nil, errTruncated
	}
	return b, nil
}

// decompressed yields the records of a compressed file from an offset on. The
// records before an error come first. A file without damage is decompressed once; if
// some block of it is not clean, the rest is read with its end known.
func (f *File) decompressed(from int64) iter.Seq2[block, error] {
	return func(yield func(block, error) bool) {
		off, done := from, false
		if f.form == nil {
			off, done = f.streamed(from, yield)
		}
		if done {
			return
		}
		u := &unpacked{f: f, keep: max(formWindow, 4*int(f.blockSize()))}
		size := u.size()
		failed := u.failed()
		defer u.close()
		end := off
		for b, err := range f.forwardIn(u, size, off) {
			if !yield(b, err) || err != nil && !IsDamage(err) {
				return
			}
			end = endOf(b, err)
		}
		if torn := f.torn(end, size); torn != nil && !yield(block{}, torn) {
			return
		}
		if failed != nil {
			yield(block{}, failed)
		}
	}
}

// endOf returns where a block, or damage, ends; 0 of another error.
func endOf(b block, err error) int64 {
	var damage *DamageError
	if errors.As(err, &damage) {
		return damage.To
	}
	return b.off + int64(len(b.data))
}

// torn returns the damage of a part of a record at the end of a compressed file: nobody writes
// to that.
func (f *File) torn(end, size int64) error {
	if !f.log.torn || f.form != nil || f.log.force != nil || end <= 0 || end >= size {
		return nil
	}
	return f.damage(grid.Part{Off: end, End: size})
}

// streamed yields the blocks of a compressed file for as long as they are clean. It
// returns where it stopped, or that nothing more is to be done.
func (f *File) streamed(from int64, yield func(block, error) bool) (off int64, done bool) {
	s, err := f.stream()
	if err != nil {
		yield(block{}, err)
		return 0, true
	}
	defer s.close()
	if _, err := io.CopyN(io.Discard, s, from); err != nil {
		if err != io.EOF {
			yield(block{}, sysfile.Wrap("read", f.name, err))
		}
		return 0, true
	}
	var last block // yielded once the next shows that it is whole
	for off = from; err == nil; {
		if err := f.ctx.Err(); err != nil {
			yield(block{}, sysfile.Wrap("read", f.name, err))
			return 0, true
		}
		var n int
		b := make([]byte, f.blockSize())
		n, err = s.readFull(b)
		b = b[:whole(int64(n), f.layout)]
		if f.log.force == nil && (f.log.torn && n > len(b) || len(b) > 0 && !grid.Clean(f.layout, b)) {
			return off - int64(len(last.data)), false
		}
		if len(last.data) > 0 && !yield(last, nil) {
			return 0, true
		}
		last = block{b, off, f.layout}
		off += int64(len(b))
	}
	if len(last.data) > 0 && !yield(last, nil) {
		return 0, true
	}
	if err != io.EOF {
		yield(block{}, sysfile.Wrap("read", f.name, err))
	}
	return 0, true
}

// tailBlocks is how many blocks of a compressed file are kept while it is read
// backward.
const tailBlocks = 32

// tails yields the records of a compressed file before an offset, a negative one for
// its end, the last block first. An error at the end of a damaged file comes last.
func (f *File) tails(from int64) iter.Seq2[block, error] {
	return func(yield func(block, error) bool) {
		u := &unpacked{f: f, keep: max(formWindow, tailBlocks*int(f.blockSize()))}
		defer u.close()
		size := u.size()
		failed := u.failed()
		if from < 0 {
			from = size
		}
		last := from == size
		for b, err := range f.backwardIn(u, size, from) {
			if last {
				if torn := f.torn(endOf(b, err), size); torn != nil && !yield(block{}, torn) {
					return
				}
				last = false
			}
			if !yield(b, err) || err != nil && !IsDamage(err) {
				return
			}
		}
		if failed != nil {
			yield(block{}, failed)
		}
	}
}
