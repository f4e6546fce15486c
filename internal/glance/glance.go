// SPDX-License-Identifier: BSD-2-Clause

// Package glance takes single fields out of a record's bytes: a fraction of what decoding the
// record costs. It does no I/O.
package glance

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"utmpd.dev/utmpd/utmpx"
)

// Fields are where a layout keeps its fields, as its codec shows. [utmpx.Layout.Peek] has
// the type and the time.
type Fields struct {
	layout     *utmpx.Layout
	big        bool
	pid, exit  int
	line, user field
	id, host   field
}

// field is where a string is.
type field struct{ off, end int }

// Of finds the fields of a layout by encoding records.
func Of(l *utmpx.Layout) *Fields {
	f := &Fields{layout: l}
	f.pid, _ = written(l, utmpx.Record{PID: 1})
	if high, _ := written(l, utmpx.Record{PID: 1 << 24}); high < f.pid {
		f.big, f.pid = true, high
	}
	f.exit, _ = written(l, utmpx.Record{Exit: utmpx.Exit{Termination: -1}})
	f.line = text(l, 32, func(s string) utmpx.Record { return utmpx.Record{Line: s} })
	f.user = text(l, 32, func(s string) utmpx.Record { return utmpx.Record{User: s} })
	f.id = text(l, 4, func(s string) utmpx.Record { return utmpx.Record{ID: s} })
	f.host = text(l, 256, func(s string) utmpx.Record { return utmpx.Record{Host: s} })
	return f
}

// written returns between which offsets the encoded record has bytes that are not zero.
func written(l *utmpx.Layout, r utmpx.Record) (off, end int) {
	b, err := l.Encode(r)
	if err != nil {
		panic(err) // the records here fit every layout
	}
	isSet := func(r rune) bool { return r != 0 }
	return bytes.IndexFunc(b, isSet), bytes.LastIndexFunc(b, isSet) + 1
}

// text finds a string of a width. illumos has its length before it, and one byte more.
func text(l *utmpx.Layout, width int, with func(string) utmpx.Record) field {
	wide := string(bytes.Repeat([]byte{'x'}, width+1))
	if _, err := l.Encode(with(wide)); err != nil {
		wide = wide[1:]
	}
	_, end := written(l, with(wide))
	return field{end - len(wide), end}
}

// Layout returns the layout whose fields they are.
func (f *Fields) Layout() *utmpx.Layout { return f.layout }

// PID returns the process.
func (f *Fields) PID(b []byte) int32 {
	if f.big {
		return int32(binary.BigEndian.Uint32(b[f.pid:]))
	}
	return int32(binary.LittleEndian.Uint32(b[f.pid:]))
}

// Exit returns how the process ended.
func (f *Fields) Exit(b []byte) utmpx.Exit {
	if f.big {
		return utmpx.Exit{Termination: int16(binary.BigEndian.Uint16(b[f.exit:])), Exit: int16(binary.BigEndian.Uint16(b[f.exit+2:]))}
	}
	return utmpx.Exit{Termination: int16(binary.LittleEndian.Uint16(b[f.exit:])), Exit: int16(binary.LittleEndian.Uint16(b[f.exit+2:]))}
}

// Line returns the line, in the memory of b. So do the others.
func (f *Fields) Line(b []byte) string { return f.line.of(b) }

// ShortLine returns the line as two words if it has less than 16 bytes, as nearly all have:
// what is known of it can be found by them without a search.
func (f *Fields) ShortLine(b []byte) (first, second uint64, ok bool) {
	b = b[f.line.off : f.line.off+16]
	first, second = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	if end := firstNUL(first); end != 0 {
		return first & (end>>7 - 1), 0, true
	}
	end := firstNUL(second)
	return first, second & (end>>7 - 1), end != 0
}

// firstNUL returns the highest bit of the first byte that is 0, 0 if none is.
func firstNUL(w uint64) uint64 {
	end := (w - ones) & ^w & high // its lowest bit is right
	return end & -end
}

// A one, and a highest bit, in each of eight bytes.
const (
	ones = 0x0101010101010101
	high = 0x80 * ones
)

// User returns the user.
func (f *Fields) User(b []byte) string { return f.user.of(b) }

// ID returns the identifier.
func (f *Fields) ID(b []byte) string { return f.id.of(b) }

// Host returns the host.
func (f *Fields) Host(b []byte) string { return f.host.of(b) }

// UserField returns the bytes of the user: what is behind a NUL is not part of it.
func (f *Fields) UserField(b []byte) string { return Text(b[f.user.off:f.user.end]) }

// FirstOfHost returns the first byte of the host, 0 if there is none.
func (f *Fields) FirstOfHost(b []byte) byte { return b[f.host.off] }

// FirstOfUser returns the first byte of the user, 0 if there is none.
func (f *Fields) FirstOfUser(b []byte) byte { return b[f.user.off] }

func (f field) of(b []byte) string {
	s := b[f.off:f.end]
	if s[0] == 0 {
		return ""
	}
	if i := bytes.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	return Text(s)
}

// Text returns bytes as a string that is good until they change.
func Text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
