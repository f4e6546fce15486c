// SPDX-License-Identifier: BSD-2-Clause

// Package foreign finds the records in files of systems that utmpd does not run on: FreeBSD,
// NetBSD, OpenBSD and macOS. It tells such a file from all others for sure, or not at all.
// It does no I/O.
package foreign

import (
	"encoding/binary"
	"iter"
	"slices"
	"unsafe"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/utmpx"
)

// Form is how records stand in a file: one behind the other; or, as in FreeBSD's utx.log,
// each behind its length, without the NULs at its end.
type Form struct {
	layout  *utmpx.Layout
	trimmed bool
	signed  bool  // the first record may be a signature
	slots   bool  // a blank record is an empty slot
	time    []int // where the bytes of the time are, the highest first
}

// forms are all forms, those with a type before those without.
var forms = func() (all []*Form) {
	for _, l := range utmpx.Foreign() {
		f := &Form{layout: l}
		switch l {
		case utmpx.FreeBSD197:
			all = append(all, &Form{layout: l, trimmed: true})
			f.slots = true
		case utmpx.NetBSD520LE, utmpx.NetBSD520BE, utmpx.NetBSD516LE, utmpx.NetBSD516BE, utmpx.MacOS628LE, utmpx.MacOS628BE:
			f.signed = true
		default:
			f.slots = true
		}
		all = append(all, f)
	}
	for _, f := range all {
		f.time = timeOf(f.layout)
	}
	return all
}()

// timeOf finds where a layout has the bytes of the time, the highest first, by encoding it.
func timeOf(l *utmpx.Layout) (all []int) {
	if l == utmpx.FreeBSD197 {
		return []int{1, 2, 3, 4, 5} // microseconds since 1970 need no more than 52 bits
	}
	set := func(sec int64) int {
		b, err := l.Encode(utmpx.Record{Time: utmpx.Time{Sec: sec}})
		if err != nil {
			return -1 // it has 32 bits
		}
		return slices.IndexFunc(b, func(c byte) bool { return c != 0 })
	}
	for shift := 56; shift >= 0; shift -= 8 {
		if i := set(1 << shift); i >= 0 {
			all = append(all, i)
		}
	}
	return all
}

// Log is the form of FreeBSD's utx.log.
var Log = forms[0]

// FormOf returns the form of a file with a record of a layout in each slot.
func FormOf(l *utmpx.Layout) *Form {
	for _, f := range forms {
		if f.layout == l && !f.trimmed {
			return f
		}
	}
	return nil
}

// Layout returns the layout of the records, once they are whole.
func (f *Form) Layout() *utmpx.Layout { return f.layout }

// Least returns the size of the shortest record in a file of the form.
func (f *Form) Least() int64 {
	if f.trimmed {
		return lengthSize + shortest
	}
	return int64(f.layout.Size())
}

// Header returns what a file of the form begins with.
func (f *Form) Header() []byte {
	if !f.signed {
		return nil
	}
	b, err := f.layout.Encode(utmpx.Record{Type: signature, User: version})
	if err != nil {
		panic(err) // it fits
	}
	return b
}

// The first record of a file of NetBSD and of macOS.
const (
	signature utmpx.Type = 11 // as utmpx decodes it
	version              = "utmpx-1.00"
)

// A record of FreeBSD's log.
const (
	lengthSize = 2 // of the length before it
	shortest   = 5 // bytes of a type and a time whose last bytes are 0
)

// Append appends a record as it stands in a file of the form.
func (f *Form) Append(b []byte, r utmpx.Record) ([]byte, error) {
	if !f.trimmed {
		return f.layout.AppendEncode(b, r)
	}
	n := len(b)
	b, err := f.layout.AppendEncode(append(b, 0, 0), r)
	if err != nil {
		return b[:n], err
	}
	for len(b) > n+lengthSize && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	if len(b) == n+lengthSize {
		return b[:n], nil // FreeBSD writes no empty record
	}
	binary.BigEndian.PutUint16(b[n:], uint16(len(b)-n-lengthSize))
	return b, nil
}

// window is how many bytes are looked at together.
const window = 1 << 16

// Forward yields the parts of a file from an offset on: 0, or the end of a record. Bytes at
// the end of the file that make no record are damage.
func (f *Form) Forward(c logs.Content, from int64) iter.Seq2[logs.Piece, error] {
	return func(yield func(logs.Piece, error) bool) { f.forward(c, from, c.Size, yield) }
}

// forward yields the parts that begin before an offset, and reports where they end.
func (f *Form) forward(c logs.Content, from, to int64, yield func(logs.Piece, error) bool) (end int64) {
	var w []byte // what is left of a window
	for off := from; off < to; {
		if least := min(int64(f.most()), c.Size-off); int64(len(w)) < least {
			var err error
			if w, err = c.At(off, min(off+window, c.Size)); err != nil {
				yield(logs.Piece{}, err)
				return off
			}
		}
		if off == 0 && f.header(w) {
			off, w = int64(f.layout.Size()), w[f.layout.Size():]
			continue
		}
		if n := f.run(w, to-off); n > 0 {
			if !yield(f.part(off, w[:n]), nil) {
				return off + int64(n)
			}
			off, w = off+int64(n), w[n:]
			continue
		}
		next, err := f.next(c, off+1)
		if err != nil {
			yield(logs.Piece{}, err)
			return off
		}
		if !yield(logs.Piece{Off: off, End: next}, nil) {
			return next
		}
		off, w = next, nil
	}
	return c.Size
}

// Backward yields the parts of all of a file, the last one first. It reads the file forward
// before, since only so the records show where they begin, and each piece of it again.
func (f *Form) Backward(c logs.Content) iter.Seq2[logs.Piece, error] {
	return func(yield func(logs.Piece, error) bool) {
		var marks []int64
		for p, err := range f.Forward(c, 0) {
			if err != nil {
				yield(logs.Piece{}, err)
				return
			}
			if n := len(marks); n == 0 || p.Off-marks[n-1] >= window {
				marks = append(marks, p.Off)
			}
		}
		to := c.Size
		for i := len(marks) - 1; i >= 0; i-- {
			var parts []logs.Piece
			var failed error
			f.forward(c, marks[i], to, func(p logs.Piece, err error) bool {
				p.Records = append([]byte(nil), p.Records...)
				parts, failed = append(parts, p), err
				return err == nil
			})
			if failed != nil {
				yield(logs.Piece{}, failed)
				return
			}
			for j := len(parts) - 1; j >= 0; j-- {
				if !yield(parts[j], nil) {
					return
				}
			}
			to = marks[i]
		}
	}
}

// most returns the size of the longest record in a file of the form.
func (f *Form) most() int {
	if f.trimmed {
		return lengthSize + f.layout.Size()
	}
	return f.layout.Size()
}

// header reports whether the file begins with a signature.
func (f *Form) header(b []byte) bool {
	if !f.signed || len(b) < f.layout.Size() {
		return false
	}
	r := f.decode(b[:f.layout.Size()])
	return r.Type == signature && r.User == version
}

// part returns the part of whole records, as many as stand in b.
func (f *Form) part(off int64, b []byte) logs.Piece {
	p := logs.Piece{Off: off, End: off + int64(len(b)), Records: b}
	if f.trimmed {
		p.Records = make([]byte, f.layout.Size())
		copy(p.Records, b[lengthSize:])
	}
	return p
}

// run returns how many bytes at the beginning of b are records: of a trimmed one only the
// first. They begin before an offset.
func (f *Form) run(b []byte, before int64) (n int) {
	if f.trimmed {
		if f.odd(b) {
			return f.length(b)
		}
		return 0
	}
	for size := f.layout.Size(); int64(n) < before && f.odd(b[n:]); n += size {
	}
	return n
}

// length returns how many bytes the record at the beginning of b takes; 0 if there is none,
// or not all of it.
func (f *Form) length(b []byte) int {
	if !f.trimmed {
		if len(b) < f.layout.Size() {
			return 0
		}
		return f.layout.Size()
	}
	if len(b) < lengthSize {
		return 0
	}
	n := int(binary.BigEndian.Uint16(b))
	if n < shortest || n > f.layout.Size() || lengthSize+n > len(b) || b[lengthSize+n-1] == 0 {
		return 0
	}
	return lengthSize + n
}

// whole returns the record at the beginning of b, as a whole; nil if there is none.
func (f *Form) whole(b []byte) []byte {
	n := f.length(b)
	if n == 0 || !f.trimmed {
		return b[:n:n]
	}
	return f.part(0, b[:n]).Records
}

func (f *Form) decode(b []byte) utmpx.Record {
	return f.layout.Decode(unsafe.String(unsafe.SliceData(b), len(b)))
}

// next returns where the next record begins after damage: at the first offset where two
// stand in a row, or the last of the file; or the file's end.
func (f *Form) next(c logs.Content, from int64) (int64, error) {
	most := int64(f.most())
	for off := from; off < c.Size; {
		w, err := c.At(off, min(off+window+2*most, c.Size))
		if err != nil {
			return 0, err
		}
		last := off+int64(len(w)) == c.Size
		for i := int64(0); i < int64(len(w)) && (last || i < window); i++ {
			n := int64(f.length(w[i:]))
			if n == 0 || !f.strict(w[i:]) {
				continue
			}
			if rest := w[i+n:]; len(rest) == 0 && last || f.strict(rest) {
				return off + i, nil
			}
		}
		if last {
			break
		}
		off += window
	}
	return c.Size, nil
}
