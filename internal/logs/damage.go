// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// DamageError reports bytes of a file in which no whole record is. It stands at its
// place among the records, which go on after it.
type DamageError struct {
	Name     string // of the file
	From, To int64  // in bytes; in a compressed file, once decompressed
	Records  int64  // how many are lost at most
}

func (e *DamageError) Error() string {
	records := "one record is"
	if e.Records != 1 {
		records = fmt.Sprintf("%d records are", e.Records)
	}
	return fmt.Sprintf("utmpfile: read %s: bytes %d to %d are damaged: at most %s lost", e.Name, e.From, e.To, records)
}

// IsDamage reports whether err is a [DamageError], after which reading goes on.
func IsDamage(err error) bool {
	if err == nil {
		return false // at no cost: it is asked for each record
	}
	var damage *DamageError
	return errors.As(err, &damage)
}

func (f *File) damage(p grid.Part) error {
	size := int64(f.layout.Size())
	if f.form != nil {
		size = f.form.Least()
	}
	err := &DamageError{Name: f.name, From: p.Off, To: p.End, Records: (p.End - p.Off + size - 1) / size}
	if f.form != nil {
		return otherDamage{err}
	}
	return err
}

// otherDamage is damage in a file of another form: see Other of [Options].
type otherDamage struct{ *DamageError }

func (e otherDamage) Unwrap() error { return e.DamageError }

// IsOtherDamage reports whether err is a [DamageError] of a file of another form.
func IsOtherDamage(err error) bool {
	var other otherDamage
	return errors.As(err, &other)
}

// content gives access to the bytes of a file.
type content interface {
	// at returns the bytes from one offset to another. They are valid until the next
	// call, and longer unless the file's memory is reused.
	at(from, to int64) ([]byte, error)
}

// parts returns the content for package grid.
func (f *File) parts(c content, size int64) *grid.File {
	return &grid.File{At: c.at, Size: size, Layout: f.layout, Chunk: f.blockSize()}
}

func (f *File) forwardParts(c content, size, from int64) iter.Seq2[grid.Part, error] {
	if f.log.force != nil {
		return f.allOf(from, size)
	}
	return f.parts(c, size).Forward(from)
}

func (f *File) backwardParts(c content, size, from int64) iter.Seq2[grid.Part, error] {
	if f.log.force != nil {
		return f.allOf(0, min(from, size))
	}
	return f.parts(c, size).Backward(from)
}

// allOf yields all records between two offsets as one part, for a layout that is forced.
func (f *File) allOf(from, to int64) iter.Seq2[grid.Part, error] {
	return func(yield func(grid.Part, error) bool) {
		if to = whole(to, f.layout); from < to {
			yield(grid.Part{Off: from, End: to, Layout: f.layout}, nil)
		}
	}
}

// forwardIn yields the records of a content from an offset on.
func (f *File) forwardIn(c content, size, from int64) iter.Seq2[block, error] {
	if f.form != nil {
		return f.others(f.form.Forward(Content{c.at, size}, from))
	}
	return func(yield func(block, error) bool) {
		for p, err := range f.forwardParts(c, size, from) {
			if err == nil && p.Layout == nil {
				if !yield(block{}, f.damage(p)) {
					return
				}
				continue
			}
			step := f.blockSize() / int64(f.layout.Size())
			for off := p.Off; off < p.End && err == nil; {
				end := min(p.End, off+step*int64(p.Layout.Size()))
				var data []byte
				if data, err = c.at(off, end); err == nil && !yield(block{data, off, p.Layout}, nil) {
					return
				}
				off = end
			}
			if err != nil {
				yield(block{}, err)
				return
			}
		}
	}
}

// backwardIn yields the records of a content before an offset, the last ones first.
func (f *File) backwardIn(c content, size, from int64) iter.Seq2[block, error] {
	if f.form != nil {
		return f.others(f.form.Backward(Content{c.at, size}))
	}
	return func(yield func(block, error) bool) {
		for p, err := range f.backwardParts(c, size, from) {
			if err == nil && p.Layout == nil {
				if !yield(block{}, f.damage(p)) {
					return
				}
				continue
			}
			step := f.blockSize() / int64(f.layout.Size())
			for end := p.End; end > p.Off && err == nil; {
				off := max(p.Off, end-step*int64(p.Layout.Size()))
				var data []byte
				if data, err = c.at(off, end); err == nil && !yield(block{data, off, p.Layout}, nil) {
					return
				}
				end = off
			}
			if err != nil {
				yield(block{}, err)
				return
			}
		}
	}
}

// plain is the content of a file that is not compressed. It keeps what it read last.
type plain struct {
	f     *File
	from  int64
	data  []byte
	ahead int64 // how many bytes to read at least
	back  bool  // the way that the last reading went
}

func (p *plain) at(from, to int64) ([]byte, error) {
	if from < p.from || to > p.from+int64(len(p.data)) {
		lo, hi := p.window(from, to)
		data, err := p.f.load(lo, p.f.memory(hi-lo))
		if err != nil {
			return nil, err
		}
		p.from, p.data = lo, data
	}
	return p.data[from-p.from : to-p.from : to-p.from], nil
}

// window returns what to read for somebody who asks for the bytes between two offsets. For one
// who has gone the same way before it is twice as much as the last time, up to a limit, if the
// memory is reused: what the kernel copies into memory that is in no cache near the processor
// takes it a fourth less time.
func (p *plain) window(from, to int64) (lo, hi int64) {
	if !p.f.reuse {
		return from, to
	}
	back, beside := from < p.from, from <= p.from+int64(len(p.data)) && to >= p.from
	if back == p.back && beside {
		p.ahead = min(max(2*p.ahead, to-from), p.f.aheadMost())
	} else {
		p.ahead = 0
	}
	if p.back = back; back {
		return max(0, min(from, to-p.ahead)), to
	}
	return from, max(to, min(p.f.size, from+p.ahead))
}

// unpacked is the content of a compressed file, read from its beginning as often as
// something is asked for that is not kept.
type unpacked struct {
	f    *File
	keep int // how many of the bytes read last are kept, at least
	s    stream
	kept []byte
	from int64 // offset of what is kept
	err  error // that ended the stream, io.EOF at its end
}

// size reads to the end, and returns how many bytes there are.
func (u *unpacked) size() int64 {
	for u.more() {
	}
	return u.from + int64(len(u.kept))
}

func (u *unpacked) at(from, to int64) ([]byte, error) {
	if from < u.from {
		u.close()
		u.kept, u.from, u.err = nil, 0, nil
	}
	for to > u.from+int64(len(u.kept)) {
		if !u.more() {
			return nil, sysfile.Wrap("read", u.f.name, u.err)
		}
	}
	data := u.kept[from-u.from : to-u.from : to-u.from]
	if !u.f.reuse {
		data = append([]byte(nil), data...)
	}
	return data, nil
}

// more reads the next block, and reports whether there was anything.
func (u *unpacked) more() bool {
	if u.err == nil {
		u.err = u.f.ctx.Err()
	}
	if u.err == nil && u.s.Reader == nil {
		u.s, u.err = u.f.stream()
	}
	if u.err != nil {
		return false
	}
	if len(u.kept) > 2*u.keep {
		cut := len(u.kept) - u.keep
		u.kept = u.kept[:copy(u.kept, u.kept[cut:])]
		u.from += int64(cut)
	}
	n := len(u.kept)
	u.kept = append(u.kept, make([]byte, u.f.blockSize())...)
	var k int
	k, u.err = u.s.readFull(u.kept[n:])
	u.kept = u.kept[:n+k]
	return k > 0
}

// failed returns the error that ended the stream, nil at its end.
func (u *unpacked) failed() error {
	if u.err == io.EOF {
		return nil
	}
	return sysfile.Wrap("read", u.f.name, u.err)
}

func (u *unpacked) close() {
	if u.s.Reader != nil {
		u.s.close()
		u.s = stream{}
	}
}

// sizes are those of all layouts' records.
var sizes = func() (all []int64) {
	for _, l := range utmpx.Layouts() {
		all = append(all, int64(l.Size()))
	}
	return all
}()
