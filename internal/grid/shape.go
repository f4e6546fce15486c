// SPDX-License-Identifier: BSD-2-Clause

package grid

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"unsafe"

	"utmpd.dev/utmpd/utmpx"
)

// shape is what a layout's codec shows of where its fields are.
type shape struct {
	layout    *utmpx.Layout
	size      int
	low, top  int   // the bytes of the type
	pads      []int // bytes that belong to no field
	strings   []field
	illumos   bool
	sec, usec int // the lowest bytes of the time
	width     int // of both, in bytes: 4 or 8
}

// field is a string field.
type field struct{ off, end int }

// shapes are those of all layouts that do not read alike, and shapeFor that of each
// layout: musl's records read like glibc's.
var shapes, shapeFor = shapesOf(utmpx.Layouts())

func shapesOf(layouts []*utmpx.Layout) (all []*shape, of map[*utmpx.Layout]*shape) {
	of = map[*utmpx.Layout]*shape{}
	for _, l := range layouts {
		s := shapeOf(l)
		i := slices.IndexFunc(all, s.readsLike)
		if i < 0 {
			i = len(all)
			all = append(all, s)
		}
		of[l] = all[i]
	}
	return all, of
}

// readsLike reports whether two shapes have type and strings in the same places.
func (s *shape) readsLike(t *shape) bool {
	return s.size == t.size && s.low == t.low && slices.Equal(s.strings, t.strings)
}

// Alike reports whether records of two layouts read the same.
func Alike(a, b *utmpx.Layout) bool { return shapeFor[a] == shapeFor[b] }

// xs fills every string field.
var xs = strings.Repeat("x", 257)

// shapeOf finds the fields of a layout by encoding records. Every start of a program pays for
// it.
func shapeOf(l *utmpx.Layout) *shape {
	var bytes [utmpx.MaxSize]byte
	var offs [utmpx.MaxSize]int
	// written returns the offsets of the bytes that are not zero in the encoded record, good
	// until the next call.
	written := func(l *utmpx.Layout, r utmpx.Record) []int {
		b, err := l.AppendEncode(bytes[:0], r)
		if err != nil {
			panic(err) // the records here fit every layout
		}
		at := offs[:0]
		for off, c := range b {
			if c != 0 {
				at = append(at, off)
			}
		}
		return at
	}
	host := xs[:hostWidth(l)]
	s := &shape{layout: l, size: l.Size(), illumos: l.Size() == utmpx.Illumos372LE.Size()}
	s.low = written(l, utmpx.Record{Type: 1})[0]
	for _, off := range written(l, utmpx.Record{Type: 1 << 8}) {
		s.top = off
	}
	s.sec = written(l, utmpx.Record{Time: utmpx.Time{Sec: 1}})[0]
	s.usec = written(l, utmpx.Record{Time: utmpx.Time{Usec: 1}})[0]
	s.width = len(written(l, utmpx.Record{Time: utmpx.Time{Usec: -1}}))
	used := make([]bool, s.size)
	for _, r := range []utmpx.Record{
		{Line: xs[:32]}, {ID: "xxxx"}, {User: xs[:32]}, {Host: host},
	} {
		at := written(l, r)
		if r.Host != "" { // without the length that illumos keeps before it
			at = at[len(at)-len(host):]
		}
		s.strings = append(s.strings, field{at[0], at[len(at)-1] + 1})
	}
	full := utmpx.Record{Type: -1, PID: -1, Session: -1, Exit: utmpx.Exit{Termination: -1, Exit: -1},
		Line: xs[:32], ID: "xxxx", User: xs[:32], Host: host}
	full.Time = utmpx.Time{Sec: math.MaxUint32, Usec: -1}
	for i := range full.Addr {
		full.Addr[i] = 0xff
	}
	for _, off := range written(l, full) {
		used[off] = true
	}
	for _, probe := range []utmpx.Record{{Time: utmpx.Time{Sec: math.MaxUint32}}, {Host: "x"}, {Time: utmpx.Time{Usec: 1}}} {
		for _, off := range written(l, probe) {
			used[off] = true
		}
	}
	for off, u := range used {
		if !u {
			s.pads = append(s.pads, off)
		}
	}
	return s
}

func hostWidth(l *utmpx.Layout) int {
	if _, err := l.Encode(utmpx.Record{Host: xs}); err == nil {
		return 257
	}
	return 256
}

// Limits of what a record holds.
const (
	earliest = 315532800      // 1980: later than a clock that began in 1970 shows, and more than any count of microseconds
	latest   = math.MaxUint32 // what 32 bits hold
	maxPID   = 1 << 22        // Linux
)

// cheap reports whether b can be a record, at the cost of a glance.
func (s *shape) cheap(b []byte) bool {
	typ, at, _ := s.layout.Peek(b)
	return typ >= utmpx.RunLevel && typ <= utmpx.DownTime && at.Sec >= earliest && timed(at) && s.unmixed(typ, b)
}

// ordinary reports of nearly all records that are cheap that they are: not of those of the
// system, and of none in big-endian.
func (s *shape) ordinary(b []byte) bool {
	if s.low > s.top {
		return false
	}
	typ := utmpx.Type(binary.LittleEndian.Uint16(b[s.low:]))
	if typ < utmpx.InitProcess || typ > utmpx.Accounting {
		return false
	}
	if s.width == 4 {
		return binary.LittleEndian.Uint32(b[s.sec:]) >= earliest && binary.LittleEndian.Uint32(b[s.usec:]) < 1e6
	}
	sec := binary.LittleEndian.Uint64(b[s.sec:])
	return sec >= earliest && sec <= latest && binary.LittleEndian.Uint64(b[s.usec:]) < 1e6
}

// unmixed reports whether b, with such a type, may be one record. Nobody who logs in has a
// part in what the system writes of itself: there, text behind a NUL, or anything in the
// padding, shows that the head of one record and the tail of another have met.
func (s *shape) unmixed(typ utmpx.Type, b []byte) bool {
	if !system(typ) {
		return true
	}
	for _, f := range s.strings {
		text := b[f.off:f.end]
		if i := bytes.IndexByte(text, 0); i >= 0 && len(bytes.Trim(text[i:], "\x00")) > 0 {
			return false
		}
	}
	return s.padded(b)
}

// strict reports whether every byte of b is as a record's: text, and NULs behind it;
// nothing in the padding; numbers in range; boots and run levels as those who write
// them do.
func (s *shape) strict(b []byte) bool {
	typ, at, _ := s.layout.Peek(b)
	if typ < utmpx.RunLevel || typ > utmpx.DownTime || !timed(at) || !s.padded(b) || !s.texts(b) {
		return false
	}
	r := s.decode(b)
	return r.PID >= 0 && r.PID <= maxPID && s.systems(r)
}

// timed reports whether a time is set, and in range.
func timed(at utmpx.Time) bool {
	return at.Sec > 0 && at.Sec <= latest && at.Usec >= 0 && at.Usec < 1e6
}

// anchor reports whether nothing but a record can be in b.
func (s *shape) anchor(b []byte) bool {
	if !s.cheap(b) || !s.strict(b) {
		return false
	}
	r := s.decode(b)
	switch {
	case r.Line == "" || r.Type == utmpx.Accounting:
		return false
	case system(r.Type):
		return true
	}
	return r.PID > 0 && (r.User != "" || r.Type == utmpx.DeadProcess)
}

// system reports whether the system itself writes records of a type.
func system(t utmpx.Type) bool {
	return t >= utmpx.RunLevel && t <= utmpx.OldTime || t == utmpx.DownTime
}

// systems reports whether a record of the system is as those who write it do. Linux
// has its boots and run levels on the line "~"; illumos has sentences there.
func (s *shape) systems(r utmpx.Record) bool {
	if !system(r.Type) {
		return true
	}
	if s.illumos {
		return r.User == "" && strings.Contains(r.Line, " ") || r.Line == "~"
	}
	switch r.Type {
	case utmpx.BootTime:
		return r.Line == "~" && r.User == "reboot" && r.PID == 0
	case utmpx.RunLevel:
		return r.Line == "~" && r.PID < 1<<15 // two letters
	case utmpx.DownTime:
		return r.Line == "~" && r.User != ""
	}
	return r.PID == 0 && (r.Line == "|" || r.Line == "{" || r.Line == "~")
}

// padded reports whether nothing is in the bytes that belong to no field.
func (s *shape) padded(b []byte) bool {
	for _, off := range s.pads {
		if b[off] != 0 {
			return false
		}
	}
	return true
}

// texts reports whether the strings are text in any encoding, and NULs behind it.
func (s *shape) texts(b []byte) bool {
	for _, f := range s.strings {
		ended := false
		for _, c := range b[f.off:f.end] {
			switch {
			case c == 0:
				ended = true
			case ended, c < 0x20, c == 0x7f:
				return false
			}
		}
	}
	return true
}

// odd reports whether b, on the grid of its neighbours, is a record still: it has a
// time and a type, and either the type is known or its strings are text. A type of 0
// is what a block of NULs leaves, unless the rest is a session's, whole. A record of the
// system itself has no reason to be odd.
func (s *shape) odd(b []byte) bool {
	typ, at, _ := s.layout.Peek(b)
	if !timed(at) || !s.unmixed(typ, b) {
		return false
	}
	if typ == utmpx.Empty {
		return s.untyped(at, b)
	}
	return typ > utmpx.Empty && typ <= utmpx.DownTime || s.texts(b)
}

// untyped reports whether b, with a type of 0, is a session's record but for that.
func (s *shape) untyped(at utmpx.Time, b []byte) bool {
	if at.Sec < earliest || !s.padded(b) || !s.texts(b) {
		return false
	}
	r := s.decode(b)
	return r.PID > 0 && r.PID <= maxPID && r.Exit == (utmpx.Exit{}) && r.User != "" &&
		r.Line != "" && r.Line[0] != '~' && strings.Contains(r.Line, r.ID)
}

func (s *shape) decode(b []byte) utmpx.Record {
	return s.layout.Decode(unsafe.String(unsafe.SliceData(b), s.size))
}
