// SPDX-License-Identifier: BSD-2-Clause

package foreign

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"utmpd.dev/utmpd/utmpx"
)

// The records of each system, as its headers declare them, with what a C compiler pads.

type futx struct {
	Type uint8
	TV   uint64
	ID   [8]byte
	PID  uint32
	User [32]byte
	Line [16]byte
	Host [128]byte
}

type netbsdRecord struct {
	Name          [32]byte
	ID            [4]byte
	Line          [32]byte
	Host          [256]byte
	Session, Type uint16
	PID           int32
	Term, Exit    uint16
	Len, Family   uint8
	Port          uint16
	Addr4         [4]byte
	Addr6         [16]byte
	_             [104]byte
	Sec           int64
	Usec          int32
}

type macosRecord struct {
	User      [256]byte
	ID        [4]byte
	Line      [32]byte
	PID       int32
	Type, _   int16
	Sec, Usec int32
	Host      [256]byte
	_         [16]uint32
}

type openbsdRecord struct {
	Line [8]byte
	Name [32]byte
	Host [256]byte
	Time int64
}

type old36 struct {
	Line, Name [8]byte
	Host       [16]byte
	Time       int32
}

type old40 struct {
	Line, Name [8]byte
	Host       [16]byte
	Time       int64
}

// event is what is recorded.
type event struct {
	kind             kind
	pid              int
	line, user, host string
	at               int64
	usec             int64
}

type kind int

const (
	boot kind = iota
	shutdown
	in
	out
	clockOld
	clockNew
)

// The systems' own numbers of the kinds.
var (
	freebsdNumbers = map[kind]uint8{boot: 1, clockOld: 2, clockNew: 3, in: 4, out: 7, shutdown: 8}
	bsdNumbers     = map[kind]uint16{boot: 2, clockOld: 3, clockNew: 4, in: 7, out: 8, shutdown: 11}
	ours           = map[kind]utmpx.Type{boot: utmpx.BootTime, clockOld: utmpx.OldTime, clockNew: utmpx.NewTime, in: utmpx.UserProcess, out: utmpx.DeadProcess, shutdown: utmpx.DownTime}
)

func put(dst []byte, s string) { copy(dst, s) }

// system makes files of one system.
type system struct {
	name    string
	trimmed bool
	layout  *utmpx.Layout
	make    func(e event) []byte // a record
	head    []byte
}

func packed(order binary.ByteOrder, v any, pad int) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, order, v); err != nil {
		panic(err)
	}
	b.Write(make([]byte, pad))
	return b.Bytes()
}

func freebsdOf(e event) []byte {
	f := futx{Type: freebsdNumbers[e.kind], TV: uint64(e.at*1e6 + e.usec)}
	if e.kind == in || e.kind == out {
		put(f.ID[:], e.line)
		f.PID = uint32(e.pid)
	}
	if e.kind == in {
		put(f.Line[:], e.line)
		put(f.User[:], e.user)
		put(f.Host[:], e.host)
	}
	return packed(binary.BigEndian, f, 0)
}

func freebsdLogOf(e event) []byte {
	b := bytes.TrimRight(freebsdOf(e), "\x00")
	return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...)
}

func netbsdOf(order binary.ByteOrder, pad int) func(e event) []byte {
	return func(e event) []byte {
		r := netbsdRecord{Type: bsdNumbers[e.kind], PID: int32(e.pid), Sec: e.at, Usec: int32(e.usec)}
		switch e.kind {
		case boot, shutdown:
			put(r.Line[:], map[kind]string{boot: "system boot", shutdown: "system down"}[e.kind])
			put(r.Name[:], map[kind]string{boot: "reboot", shutdown: "shutdown"}[e.kind])
		case in:
			put(r.Name[:], e.user)
			put(r.Host[:], e.host)
			r.Len, r.Family, r.Addr4 = 16, 2, [4]byte{192, 0, 2, 1}
			r.Port = 0x1234
			r.Session = 9
			fallthrough
		case out:
			put(r.Line[:], e.line)
			put(r.ID[:], e.line[max(0, len(e.line)-4):])
		}
		return packed(order, r, pad)
	}
}

func macosOf(order binary.ByteOrder) func(e event) []byte {
	return func(e event) []byte {
		r := macosRecord{Type: int16(bsdNumbers[e.kind]), PID: int32(e.pid), Sec: int32(e.at), Usec: int32(e.usec)}
		if e.kind == in || e.kind == out {
			put(r.User[:], e.user)
			put(r.Line[:], e.line)
			put(r.ID[:], e.line[max(0, len(e.line)-4):])
			put(r.Host[:], e.host)
		}
		return packed(order, r, 0)
	}
}

// plain are the line, the name and the host of a record without a type.
func plain(e event) (line, name, host string) {
	switch e.kind {
	case boot:
		return "~", "reboot", ""
	case shutdown:
		return "~", "shutdown", ""
	case clockOld:
		return "|", "date", ""
	case clockNew:
		return "{", "date", ""
	case out:
		return e.line, "", ""
	}
	return e.line, e.user, e.host
}

func openbsdOf(order binary.ByteOrder) func(e event) []byte {
	return func(e event) []byte {
		r := openbsdRecord{Time: e.at}
		line, name, host := plain(e)
		put(r.Line[:], line)
		put(r.Name[:], name)
		put(r.Host[:], host)
		return packed(order, r, 0)
	}
}

func old36Of(order binary.ByteOrder) func(e event) []byte {
	return func(e event) []byte {
		r := old36{Time: int32(e.at)}
		line, name, host := plain(e)
		put(r.Line[:], line)
		put(r.Name[:], name)
		put(r.Host[:], host)
		return packed(order, r, 0)
	}
}

func old40Of(order binary.ByteOrder) func(e event) []byte {
	return func(e event) []byte {
		r := old40{Time: e.at}
		line, name, host := plain(e)
		put(r.Line[:], line)
		put(r.Name[:], name)
		put(r.Host[:], host)
		return packed(order, r, 0)
	}
}

var le, be = binary.LittleEndian, binary.BigEndian

func netbsdHead(order binary.ByteOrder, pad int) []byte {
	r := netbsdRecord{Type: 10}
	put(r.Name[:], "utmpx-1.00")
	return packed(order, r, pad)
}

func macosHead(order binary.ByteOrder) []byte {
	r := macosRecord{Type: 10}
	put(r.User[:], "utmpx-1.00")
	return packed(order, r, 0)
}

var systems = []system{
	{"freebsd log", true, utmpx.FreeBSD197, freebsdLogOf, nil},
	{"freebsd active", false, utmpx.FreeBSD197, freebsdOf, nil},
	{"netbsd 520 le", false, utmpx.NetBSD520LE, netbsdOf(le, 44), netbsdHead(le, 44)},
	{"netbsd 520 be", false, utmpx.NetBSD520BE, netbsdOf(be, 44), netbsdHead(be, 44)},
	{"netbsd 516 le", false, utmpx.NetBSD516LE, netbsdOf(le, 40), netbsdHead(le, 40)},
	{"netbsd 516 be", false, utmpx.NetBSD516BE, netbsdOf(be, 40), netbsdHead(be, 40)},
	{"netbsd 40 le", false, utmpx.NetBSD40LE, old40Of(le), nil},
	{"netbsd 40 be", false, utmpx.NetBSD40BE, old40Of(be), nil},
	{"netbsd 36 le", false, utmpx.NetBSD36LE, old36Of(le), nil},
	{"netbsd 36 be", false, utmpx.NetBSD36BE, old36Of(be), nil},
	{"openbsd le", false, utmpx.OpenBSD304LE, openbsdOf(le), nil},
	{"openbsd be", false, utmpx.OpenBSD304BE, openbsdOf(be), nil},
	{"macos le", false, utmpx.MacOS628LE, macosOf(le), macosHead(le)},
	{"macos be", false, utmpx.MacOS628BE, macosOf(be), macosHead(be)},
}

// file returns the bytes of events.
func (s *system) file(events []event) []byte {
	b := bytes.Clone(s.head)
	for _, e := range events {
		b = append(b, s.make(e)...)
	}
	return b
}

// history makes events up.
func history(rnd *rand.Rand, n int) (all []event) {
	at := int64(1_200_000_000 + rnd.IntN(700_000_000))
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	var on []event
	for range n {
		at += int64(rnd.IntN(20000))
		e := event{at: at, usec: int64(rnd.IntN(1_000_000))}
		switch k := rnd.IntN(20); {
		case k == 0:
			e.kind = boot
			on = nil
		case k == 1:
			e.kind = shutdown
			on = nil
		case k == 2:
			e.kind = clockOld + kind(rnd.IntN(2))
		case k < 10 && len(on) > 0:
			i := rnd.IntN(len(on))
			was := on[i]
			on = append(on[:i], on[i+1:]...)
			e.kind, e.pid, e.line = out, was.pid, was.line
		default:
			e.kind, e.pid = in, 1+rnd.IntN(99999)
			e.line = fmt.Sprint(pick("pts/", "ttyp", "ttyC", "ttyv", "tty0"), rnd.IntN(10))
			e.user = pick("root", "alice", "bob", "operator", "www")
			e.host = pick("", "192.0.2.7", "ws7", "2001:db8::7", "10.1.2.3:0")
			on = append(on, e)
		}
		all = append(all, e)
	}
	return all
}
