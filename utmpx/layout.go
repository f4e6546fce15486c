// SPDX-License-Identifier: BSD-2-Clause

package utmpx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"strings"
)

// ErrRange is the error of a value that a layout's field cannot hold: a string
// that is too long or contains a NUL, a number or a time out of the field's range.
// The error's text names the field.
var ErrRange = errors.New("value does not fit its field")

// Layout is the form in which one system writes its records. Every layout is
// available on every machine. [Layouts] are those of the systems that have utmpd,
// [Foreign] those of others. A Layout is immutable; two are the same if their
// pointers are equal.
type Layout struct {
	name string
	size int
	big  bool // big-endian

	line, id, user, host text
	typ, pid             int // ut_type is an i16, ut_pid an i32, everywhere
	exit                 int // two i16
	session              num
	sec, usec            num
	addr                 int // -1: the layout has none
	syslen               int // illumos: length of ut_host with its NUL; -1: the layout has none
	swapTime             bool

	foreign *foreign // nil: the fields above say it all
}

// text is a string field: its offset and width.
type text struct{ off, width int }

// num is an integer field: its offset, its width in bytes, and whether it is unsigned.
type num struct {
	off, width int
	unsigned   bool
}

// The byte orders, in a layout's field big.
const (
	le = false
	be = true
)

// The layouts of glibc, of musl (as utmps and skarnet's programs use it), and of
// illumos and Solaris. The number is the size of a record in bytes; LE is
// little-endian, BE big-endian.
//
// Source: bits/utmpx.h of glibc 2.41, utmpx.h of musl 1.2.5, struct futmpx in
// utmpx.h of illumos, checked against files that those systems wrote.
var (
	Glibc384LE   = glibc384("glibc-384-le", le) // x86, 32-bit ARM, mipsel, powerpc64le, riscv
	Glibc384BE   = glibc384("glibc-384-be", be) // powerpc, sparc, mips, hppa
	Glibc400LE   = glibc400("glibc-400-le", le) // aarch64, alpha, loongarch64
	Glibc400BE   = glibc400("glibc-400-be", be) // s390x, aarch64_be
	Musl400LE    = musl400("musl-400-le", le)   // musl 1.2, every little-endian machine
	Musl400BE    = musl400("musl-400-be", be)   // musl 1.2, every big-endian machine
	Illumos372LE = illumos372("illumos-372-le", le)
	Illumos372BE = illumos372("illumos-372-be", be) // Solaris on SPARC
)

// Where glibc's records of 384 bytes have their fields. Nearly all files have these, so
// that they have a decoder of their own.
const (
	size384    = 384
	type384    = 0
	pid384     = 4
	line384    = 8
	id384      = 40
	user384    = 44
	host384    = 76
	exit384    = 332
	session384 = 336
	sec384     = 340
	usec384    = 344
	addr384    = 348
)

func glibc384(name string, big bool) *Layout {
	return &Layout{
		name: name, size: size384, big: big,
		typ: type384, pid: pid384,
		line: text{line384, 32}, id: text{id384, 4}, user: text{user384, 32}, host: text{host384, 256},
		exit: exit384, session: num{session384, 4, false},
		// The field is an int32_t in the header; glibc reads it as unsigned since 2.40.
		sec: num{sec384, 4, true}, usec: num{usec384, 4, false},
		addr: addr384, syslen: -1,
	}
}

func glibc400(name string, big bool) *Layout {
	l := glibc384(name, big)
	l.size = 400
	l.session = num{336, 8, false}
	l.sec, l.usec = num{344, 8, false}, num{352, 8, false}
	l.addr = 360
	return l
}

// musl's ut_session is an int beside an int of padding, in the place of
// glibc's long: the padding comes first on a big-endian machine.
func musl400(name string, big bool) *Layout {
	l := glibc400(name, big)
	l.session = num{336, 4, false}
	if big {
		l.session.off = 340
	}
	return l
}

func illumos372(name string, big bool) *Layout {
	return &Layout{
		name: name, size: 372, big: big,
		user: text{0, 32}, id: text{32, 4}, line: text{36, 32},
		pid: 68, typ: 72, exit: 74,
		// Solaris keeps a time32_t. It is read as unsigned here, as on Linux: good until 2106.
		sec: num{80, 4, true}, usec: num{84, 4, false},
		session: num{88, 4, false},
		syslen:  112, host: text{114, 257},
		addr: -1, swapTime: true,
	}
}

var layouts = []*Layout{
	Glibc384LE, Glibc384BE, Glibc400LE, Glibc400BE,
	Musl400LE, Musl400BE, Illumos372LE, Illumos372BE,
}

// MaxSize is the size in bytes of the largest record in any of the [Layouts].
const MaxSize = 400

// Layouts returns all layouts.
func Layouts() []*Layout { return append([]*Layout(nil), layouts...) }

// ByName returns the layout with that name, such as "glibc-384-le". The error of an
// unknown name lists those that exist.
func ByName(name string) (*Layout, error) {
	var names []string
	for _, l := range append(Layouts(), foreigns...) {
		if l.name == name {
			return l, nil
		}
		names = append(names, l.name)
	}
	return nil, fmt.Errorf("utmpx: no layout %q: there are %s", name, strings.Join(names, ", "))
}

// Native returns the layout that this machine's C library writes, by operating
// system and architecture. On Linux that is glibc's; whether a machine has musl
// shows only in its files: see [Detect].
//
// Source: __WORDSIZE_TIME64_COMPAT32 and _TIME_BITS in glibc's bits/wordsize.h.
func Native() *Layout { return nativeOf(runtime.GOOS, runtime.GOARCH) }

// nativeOf returns the layout of a system and machine in Go's names, and
// Glibc384LE for those it does not know.
func nativeOf(goos, goarch string) *Layout {
	big := false
	switch goarch {
	case "s390x", "s390", "ppc", "ppc64", "mips", "mips64", "sparc", "sparc64", "armbe", "arm64be":
		big = true
	}
	pick := func(little, other *Layout) *Layout {
		if big {
			return other
		}
		return little
	}
	if goos == "illumos" || goos == "solaris" {
		return pick(Illumos372LE, Illumos372BE)
	}
	switch goarch {
	case "arm64", "arm64be", "s390x", "loong64":
		return pick(Glibc400LE, Glibc400BE)
	}
	return pick(Glibc384LE, Glibc384BE)
}

// Name returns the layout's name: C library or system, record size, byte order.
func (l *Layout) Name() string { return l.name }

// String returns the name, as [Layout.Name] does.
func (l *Layout) String() string { return l.name }

// Size returns the size of one record in bytes, at most [MaxSize] in one of the [Layouts].
func (l *Layout) Size() int { return l.size }

// Decode returns the record in b. Any content is a record. Decode allocates
// nothing: the record's strings share b's memory; see [Record.Detach]. It panics
// if b is not [Layout.Size] bytes long.
func (l *Layout) Decode(b string) (r Record) {
	l.DecodeTo(&r, b)
	return r
}

// DecodeTo is [Layout.Decode] into memory that the caller has. A record is large: for
// one who reads millions of them, copying each costs as much as decoding it.
func (l *Layout) DecodeTo(r *Record, b string) {
	if len(b) != l.size {
		panic(fmt.Sprintf("utmpx: decode %d bytes as %s", len(b), l.name))
	}
	r.raw, r.layout = b, l
	if l == Glibc384LE {
		r.decode384(b)
		return
	}
	if l.foreign != nil {
		l.decodeForeign(r, b)
		return
	}
	r.Line, r.ID, r.User, r.Host = l.line.get(b), l.id.get(b), l.user.get(b), l.host.get(b)
	r.Addr = [16]byte{}
	if l.addr >= 0 {
		r.Addr = [16]byte([]byte(b[l.addr : l.addr+16]))
	}
	if l.common() {
		r.Type = l.fromType(int16(le16(b, l.typ)))
		r.PID = int32(le32(b, l.pid))
		r.Session = int64(int32(le32(b, l.session.off)))
		r.Time = Time{int64(le32(b, l.sec.off)), int64(int32(le32(b, l.usec.off)))}
		r.Exit = Exit{int16(le16(b, l.exit)), int16(le16(b, l.exit+2))}
		return
	}
	r.Type = l.fromType(int16(l.get(b, num{l.typ, 2, false})))
	r.PID = int32(l.get(b, num{l.pid, 4, false}))
	r.Session = l.get(b, l.session)
	r.Time = Time{l.get(b, l.sec), l.get(b, l.usec)}
	r.Exit = Exit{
		Termination: int16(l.get(b, num{l.exit, 2, false})),
		Exit:        int16(l.get(b, num{l.exit + 2, 2, false})),
	}
}

// common reports whether the layout is little-endian and has numbers of 32 bits at most, as
// that of most files: their numbers are read without a look at each field's width.
func (l *Layout) common() bool { return !l.big && l.sec.width == 4 }

// Peek returns the type and the time of the record in b, and the first byte of its
// line, without decoding the rest. It costs a sixth of [Layout.Decode]: use it to
// find few records among very many, such as the boots in a long log. It keeps
// nothing of b and panics if b is shorter than [Layout.Size].
func (l *Layout) Peek(b []byte) (typ Type, at Time, line byte) {
	b = b[:l.size]
	if l.foreign != nil {
		return l.peekForeign(b)
	}
	if l.common() {
		typ = l.fromType(int16(binary.LittleEndian.Uint16(b[l.typ:])))
		at.Sec = int64(binary.LittleEndian.Uint32(b[l.sec.off:]))
		at.Usec = int64(int32(binary.LittleEndian.Uint32(b[l.usec.off:])))
		return typ, at, b[l.line.off]
	}
	typ = l.fromType(int16(getNum(l.big, b, num{l.typ, 2, false})))
	return typ, Time{getNum(l.big, b, l.sec), getNum(l.big, b, l.usec)}, b[l.line.off]
}

// Encode returns r as [Layout.Size] bytes.
//
// A record that was decoded in the same layout keeps the bytes that it came from,
// except in the fields that changed. Of a changed string the whole field is
// written, filled up with NULs. The layouts of glibc and musl with the same size
// and byte order count as the same here.
//
// Layouts without ut_addr_v6 leave Addr out. A value that does not fit its field is
// an error that wraps [ErrRange].
func (l *Layout) Encode(r Record) ([]byte, error) {
	return l.AppendEncode(nil, r)
}

// AppendEncode appends the bytes that [Layout.Encode] returns to b and returns the
// extended slice. With an error it returns b as it was.
func (l *Layout) AppendEncode(b []byte, r Record) ([]byte, error) {
	n := len(b)
	b = slices.Grow(b, l.size)
	if err := l.encode(b[n:n+l.size], r); err != nil {
		return b[:n], err
	}
	return b[:n+l.size], nil
}

// encode overwrites b, of the layout's size.
func (l *Layout) encode(b []byte, r Record) error {
	if l == Glibc384LE && r.layout == nil && r.encode384(b) {
		return nil
	}
	var was Record
	if r.layout != nil && r.layout.twin() == l.twin() && len(r.raw) == l.size {
		copy(b, r.raw)
		was = l.Decode(r.raw)
	} else {
		clear(b)
	}
	e := encoder{l: l, b: b}
	if l.foreign != nil {
		e.foreign(was, r)
		return e.err
	}
	e.text("line", l.line, was.Line, r.Line)
	e.text("id", l.id, was.ID, r.ID)
	e.text("user", l.user, was.User, r.User)
	e.text("host", l.host, was.Host, r.Host)
	e.num("type", num{l.typ, 2, false}, int64(l.toType(r.Type)), r.Type != was.Type)
	e.num("pid", num{l.pid, 4, false}, int64(r.PID), r.PID != was.PID)
	e.num("session", l.session, r.Session, r.Session != was.Session)
	e.num("time's seconds", l.sec, r.Time.Sec, r.Time.Sec != was.Time.Sec)
	e.num("time's microseconds", l.usec, r.Time.Usec, r.Time.Usec != was.Time.Usec)
	e.num("exit", num{l.exit, 2, false}, int64(r.Exit.Termination), r.Exit.Termination != was.Exit.Termination)
	e.num("exit", num{l.exit + 2, 2, false}, int64(r.Exit.Exit), r.Exit.Exit != was.Exit.Exit)
	if l.addr >= 0 {
		copy(b[l.addr:], r.Addr[:])
	}
	if l.syslen >= 0 && r.Host != was.Host {
		n := len(r.Host)
		if n > 0 && n < l.host.width {
			n++ // ut_syslen counts the NUL
		}
		l.put(b, num{l.syslen, 2, false}, int64(n))
	}
	return e.err
}

// encoder writes the fields that changed and keeps the first error.
type encoder struct {
	l   *Layout
	b   []byte
	err error
}

func (e *encoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("utmpx: encode as %s: %w: "+format, append([]any{e.l.name, ErrRange}, args...)...)
	}
}

func (e *encoder) text(name string, f text, was, s string) {
	if s == was {
		return
	}
	if len(s) > f.width {
		e.fail("%s %q has %d bytes, the field %d", name, s, len(s), f.width)
		return
	}
	if strings.IndexByte(s, 0) >= 0 {
		e.fail("%s %q contains a NUL", name, s)
		return
	}
	n := copy(e.b[f.off:f.off+f.width], s)
	clear(e.b[f.off+n : f.off+f.width])
}

func (e *encoder) num(name string, f num, v int64, changed bool) {
	if !changed {
		return
	}
	e.l.put(e.b, f, v)
	if getNum(e.l.big, e.b, f) != v {
		e.fail("%s %d in %d bytes", name, v, f.width)
	}
}

func (f text) get(b string) string {
	s := b[f.off : f.off+f.width]
	if s[0] == 0 {
		return ""
	}
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}

func (l *Layout) get(b string, f num) int64 { return getNum(l.big, b, f) }

func le16(b string, o int) uint16 { return uint16(b[o]) | uint16(b[o+1])<<8 }

func le32(b string, o int) uint32 {
	return uint32(b[o]) | uint32(b[o+1])<<8 | uint32(b[o+2])<<16 | uint32(b[o+3])<<24
}

// getNum spells the bytes out, since a ByteOrder would have to be given memory of
// its own for each field. The compiler makes one load of them.
func getNum[T string | []byte](big bool, b T, f num) int64 {
	o := f.off
	switch f.width {
	case 2:
		v := uint16(b[o]) | uint16(b[o+1])<<8
		if big {
			v = bits.ReverseBytes16(v)
		}
		return int64(int16(v))
	case 4:
		v := uint32(b[o]) | uint32(b[o+1])<<8 | uint32(b[o+2])<<16 | uint32(b[o+3])<<24
		if big {
			v = bits.ReverseBytes32(v)
		}
		if f.unsigned {
			return int64(v)
		}
		return int64(int32(v))
	}
	v := uint64(b[o]) | uint64(b[o+1])<<8 | uint64(b[o+2])<<16 | uint64(b[o+3])<<24 |
		uint64(b[o+4])<<32 | uint64(b[o+5])<<40 | uint64(b[o+6])<<48 | uint64(b[o+7])<<56
	if big {
		v = bits.ReverseBytes64(v)
	}
	return int64(v)
}

func (l *Layout) put(b []byte, f num, v int64) {
	for i := range f.width {
		at := i
		if l.big {
			at = f.width - 1 - i
		}
		b[f.off+at] = byte(v >> (8 * i))
	}
}

// fromType and toType are each other's inverse: illumos counts OLD_TIME as 3
// and NEW_TIME as 4.
func (l *Layout) fromType(t int16) Type {
	if l.swapTime && (t == 3 || t == 4) {
		t = 7 - t
	}
	return Type(t)
}

func (l *Layout) toType(t Type) int16 { return int16(l.fromType(int16(t))) }
