// SPDX-License-Identifier: BSD-2-Clause

package utmpx

import (
	"bytes"
	"slices"
	"strings"
	"unsafe"
)

// foreign is what a layout of another family has besides its strings. A number of width 0 is
// a field that the layout lacks.
type foreign struct {
	types               []Type // by the system's number; nil: the strings tell the type
	shift               Type   // is added to numbers that the system does not know
	typ, pid, session   num
	termination, status num
	sec, usec           num
	micros              bool // sec counts microseconds
	sockaddr            int  // a sockaddr_storage of BSD; 0: none
}

// The layouts of systems that utmpd does not run on. [Detect] does not find them, and
// [Layouts] does not list them: who reads a file of this machine never takes it for one of
// theirs.
//
// Source: utxdb.h of FreeBSD 14, utmpx.h and utmp.h of NetBSD 10, utmp.h of OpenBSD 7,
// utmpx.h and utmpx-darwin.h of macOS 14.
var (
	FreeBSD197   = freebsd197()
	NetBSD520LE  = netbsd("netbsd-520-le", 520, le) // 64-bit machines, and 32-bit ones but i386
	NetBSD520BE  = netbsd("netbsd-520-be", 520, be)
	NetBSD516LE  = netbsd("netbsd-516-le", 516, le) // i386
	NetBSD516BE  = netbsd("netbsd-516-be", 516, be) // m68k
	NetBSD40LE   = oldBSD("netbsd-40-le", 8, 16, 8, le)
	NetBSD40BE   = oldBSD("netbsd-40-be", 8, 16, 8, be)
	NetBSD36LE   = oldBSD("netbsd-36-le", 8, 16, 4, le) // before NetBSD 6
	NetBSD36BE   = oldBSD("netbsd-36-be", 8, 16, 4, be)
	OpenBSD304LE = oldBSD("openbsd-304-le", 32, 256, 8, le)
	OpenBSD304BE = oldBSD("openbsd-304-be", 32, 256, 8, be)
	MacOS628LE   = macos("macos-628-le", le)
	MacOS628BE   = macos("macos-628-be", be) // on PowerPC
)

var foreigns = []*Layout{
	FreeBSD197, NetBSD520LE, NetBSD520BE, NetBSD516LE, NetBSD516BE, NetBSD40LE, NetBSD40BE,
	NetBSD36LE, NetBSD36BE, OpenBSD304LE, OpenBSD304BE, MacOS628LE, MacOS628BE,
}

// Foreign returns the layouts of systems that utmpd does not run on: FreeBSD, NetBSD,
// OpenBSD and macOS. Their records may be larger than [MaxSize]. A field that a layout lacks
// is zero when it is decoded and left out when it is encoded. The old records of BSD have no
// type: it follows from the line and the user.
func Foreign() []*Layout { return append([]*Layout(nil), foreigns...) }

// IsForeign reports whether the layout is one of [Foreign].
func (l *Layout) IsForeign() bool { return l.foreign != nil }

// The numbers of the types. NetBSD and macOS have SIGNATURE as 10 and the shutdown as 11;
// here they are exchanged, and a signature is of type 11.
var (
	freebsdTypes = []Type{Empty, BootTime, OldTime, NewTime, UserProcess, InitProcess, LoginProcess, DeadProcess, DownTime}
	netbsdTypes  = []Type{Empty, RunLevel, BootTime, OldTime, NewTime, InitProcess, LoginProcess, UserProcess, DeadProcess, Accounting, signature, DownTime}
)

// signature is the type of the first record of a file of NetBSD and macOS.
const signature Type = 11

func freebsd197() *Layout {
	return &Layout{
		name: "freebsd-197", size: 197, big: be,
		id: text{9, 8}, user: text{21, 32}, line: text{53, 16}, host: text{69, 128}, addr: -1, syslen: -1,
		foreign: &foreign{types: freebsdTypes, shift: 100, typ: num{0, 1, true}, sec: num{1, 8, true}, micros: true, pid: num{17, 4, false}},
	}
}

func netbsd(name string, size int, big bool) *Layout {
	return &Layout{
		name: name, size: size, big: big,
		user: text{0, 32}, id: text{32, 4}, line: text{36, 32}, host: text{68, 256}, addr: -1, syslen: -1,
		foreign: &foreign{
			types: netbsdTypes, session: num{324, 2, true}, typ: num{326, 2, false}, pid: num{328, 4, false},
			termination: num{332, 2, false}, status: num{334, 2, false}, sockaddr: 336,
			sec: num{464, 8, false}, usec: num{472, 4, false},
		},
	}
}

// oldBSD is the record that BSD had before utmpx: a line of 8 bytes, a name, a host and a
// time.
func oldBSD(name string, user, host, time int, big bool) *Layout {
	return &Layout{
		name: name, size: 8 + user + host + time, big: big,
		line: text{0, 8}, user: text{8, user}, host: text{8 + user, host}, addr: -1, syslen: -1,
		foreign: &foreign{sec: num{8 + user + host, time, time == 4}},
	}
}

func macos(name string, big bool) *Layout {
	return &Layout{
		name: name, size: 628, big: big,
		user: text{0, 256}, id: text{256, 4}, line: text{260, 32}, host: text{308, 256}, addr: -1, syslen: -1,
		foreign: &foreign{types: netbsdTypes, pid: num{292, 4, false}, typ: num{296, 2, false}, sec: num{300, 4, true}, usec: num{304, 4, false}},
	}
}

// field returns the text of a string that the layout may lack.
func (f text) field(b string) string {
	if f.width == 0 {
		return ""
	}
	return f.get(b)
}

// bytes returns a field that need not be text, without the NULs at its end: FreeBSD's libulog
// makes IDs that are hashes, and macOS has some with a NUL in them.
//
// Source: ulog_fill in FreeBSD's contrib/libulog/ulog_login.c.
func (f text) bytes(b string) string {
	return strings.TrimRight(b[f.off:f.off+f.width], "\x00")
}

// number returns the value of a number of any width, 0 of none.
func (l *Layout) number(b string, f num) int64 {
	var v uint64
	for i := range f.width {
		at := f.off + i
		if !l.big {
			at = f.off + f.width - 1 - i
		}
		v = v<<8 | uint64(b[at])
	}
	if shift := 64 - 8*f.width; !f.unsigned && shift < 64 {
		return int64(v<<shift) >> shift
	}
	return int64(v)
}

func (l *Layout) decodeForeign(r *Record, b string) {
	f := l.foreign
	r.Line, r.ID, r.User, r.Host = l.line.field(b), l.id.bytes(b), l.user.field(b), l.host.field(b)
	r.PID = int32(l.number(b, f.pid))
	r.Session = l.number(b, f.session)
	r.Time = Time{l.number(b, f.sec), l.number(b, f.usec)}
	if f.micros {
		us := uint64(r.Time.Sec)
		r.Time = Time{int64(us / 1e6), int64(us % 1e6)}
	}
	r.Exit = Exit{int16(l.number(b, f.termination)), int16(l.number(b, f.status))}
	r.Addr = [16]byte{}
	if f.sockaddr > 0 {
		r.Addr = addrOf(b[f.sockaddr:])
	}
	if f.types == nil {
		r.Type = impliedType(r)
		return
	}
	n := l.number(b, f.typ)
	if r.Type = Type(n) + f.shift; n >= 0 && int(n) < len(f.types) {
		r.Type = f.types[n]
	}
}

// impliedType returns the type of a record of old BSD.
//
// Source: utmp(5) of NetBSD and OpenBSD.
func impliedType(r *Record) Type {
	switch {
	case r.Line == "" && r.User == "":
		return Empty
	case r.Line == "|":
		return OldTime
	case r.Line == "{":
		return NewTime
	case r.Line == "~" && r.User == "shutdown":
		return DownTime
	case r.Line == "~":
		return BootTime
	case r.User == "":
		return DeadProcess
	}
	return UserProcess
}

// The numbers of the families of addresses in BSD.
const (
	bsdInet  = 2
	bsdInet6 = 24
)

// addrOf returns the address in a sockaddr of BSD: its length, the family, a port, the
// address.
func addrOf(b string) (addr [16]byte) {
	switch b[1] {
	case bsdInet:
		copy(addr[:4], b[4:])
	case bsdInet6:
		copy(addr[:], b[8:])
	}
	return addr
}

func (l *Layout) peekForeign(b []byte) (typ Type, at Time, line byte) {
	var r Record
	l.decodeForeign(&r, unsafe.String(unsafe.SliceData(b), len(b)))
	if r.Line != "" {
		line = r.Line[0]
	}
	return r.Type, r.Time, line
}

// foreign writes the fields that changed. Where the strings tell the type, they can change it
// although r's is the old one.
func (e *encoder) foreign(was, r Record) {
	l, f := e.l, e.l.foreign
	if r.Type != was.Type || f.types == nil && r.Type != impliedType(&r) {
		r = e.typed(r)
	}
	str := func(name string, f text, was, s string) {
		if f.width > 0 {
			e.text(name, f, was, s)
		}
	}
	str("line", l.line, was.Line, r.Line)
	e.id(was.ID, r.ID)
	str("user", l.user, was.User, r.User)
	str("host", l.host, was.Host, r.Host)
	e.any("pid", f.pid, int64(was.PID), int64(r.PID))
	e.any("session", f.session, was.Session, r.Session)
	e.any("exit", f.termination, int64(was.Exit.Termination), int64(r.Exit.Termination))
	e.any("exit", f.status, int64(was.Exit.Exit), int64(r.Exit.Exit))
	if f.micros {
		e.micros(was.Time, r.Time)
	} else {
		e.any("time's seconds", f.sec, was.Time.Sec, r.Time.Sec)
		e.any("time's microseconds", f.usec, was.Time.Usec, r.Time.Usec)
	}
	if f.sockaddr > 0 && r.Addr != was.Addr {
		e.addr(e.b[f.sockaddr:f.sockaddr+128], r)
	}
}

// id writes an ID, which may have NULs within.
func (e *encoder) id(was, s string) {
	f := e.l.id
	switch {
	case f.width == 0 || s == was:
	case len(s) > f.width:
		e.fail("id %q has %d bytes, the field %d", s, len(s), f.width)
	case strings.HasSuffix(s, "\x00"):
		e.fail("id %q ends in a NUL", s)
	default:
		n := copy(e.b[f.off:f.off+f.width], s)
		clear(e.b[f.off+n : f.off+f.width])
	}
}

// any writes a number if it changed and the layout has it.
func (e *encoder) any(name string, f num, was, v int64) {
	if f.width == 0 || was == v {
		return
	}
	e.l.put(e.b, f, v)
	if e.l.number(string(e.b), f) != v {
		e.fail("%s %d in %d bytes", name, v, f.width)
	}
}

func (e *encoder) micros(was, t Time) {
	if was == t {
		return
	}
	if t.Sec < 0 || t.Sec > 1<<43 || t.Usec < 0 || t.Usec > 999_999 {
		e.fail("time %d.%d", t.Sec, t.Usec)
		return
	}
	e.l.put(e.b, e.l.foreign.sec, t.Sec*1e6+t.Usec)
}

func (e *encoder) addr(b []byte, r Record) {
	clear(b)
	switch ip, ok := r.IP(); {
	case !ok:
	case ip.Is4():
		b[0], b[1] = 16, bsdInet
		copy(b[4:], r.Addr[:4])
	default:
		b[0], b[1] = 28, bsdInet6
		copy(b[8:], r.Addr[:])
	}
}

// typed writes the type, and returns the record with the strings that tell it where the
// layout has no field for it.
func (e *encoder) typed(r Record) Record {
	f := e.l.foreign
	if f.types == nil {
		return e.implied(r)
	}
	typ := r.Type
	if f.shift > 0 && typ == RunLevel && r.User == "shutdown" {
		typ = DownTime // as FreeBSD has it
	}
	n := slices.Index(f.types, typ)
	if n < 0 {
		n = int(typ - f.shift)
		if n < len(f.types) {
			e.fail("type %s, which that system does not have", typ)
			return r
		}
	}
	e.any("type", f.typ, -1, int64(n))
	return r
}

// implied returns a record of old BSD that reads as one of r's type.
func (e *encoder) implied(r Record) Record {
	switch {
	case r.Type == Empty:
		r.Line, r.User, r.Host = "", "", ""
	case r.Type == DeadProcess:
		r.User, r.Host = "", ""
	case r.Type == DownTime, r.Type == RunLevel && r.User == "shutdown":
		r.Type, r.Line, r.User = DownTime, "~", "shutdown"
	case r.Type == BootTime:
		r.Line, r.User = "~", "reboot"
	case r.Type == OldTime:
		r.Line = "|"
	case r.Type == NewTime:
		r.Line = "{"
	}
	if impliedType(&r) != r.Type {
		e.fail("type %s, which that system does not have", r.Type)
	}
	return r
}

// Canonical reports whether b holds nothing but what its fields say: no bytes behind the end
// of a string, and none in the padding. The rest of an address, such as its port, counts for
// nothing.
func (l *Layout) Canonical(b []byte) bool {
	r := l.Decode(unsafe.String(unsafe.SliceData(b), len(b)))
	was := Record{Type: r.Type, PID: r.PID, Line: r.Line, ID: r.ID, User: r.User, Host: r.Host,
		Session: r.Session, Time: r.Time, Exit: r.Exit, Addr: r.Addr}
	plain, err := l.Encode(was)
	if err != nil {
		return false
	}
	if f := l.foreign; f != nil && f.sockaddr > 0 {
		copy(plain[f.sockaddr:], b[f.sockaddr:f.sockaddr+128])
	}
	return bytes.Equal(plain, b)
}
