// SPDX-License-Identifier: BSD-2-Clause

package utmpx_test

import (
	"encoding/binary"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// field is a number's place in a record, as the systems' headers have it.
type field struct{ off, width int }

// table is a record's form, written down a second time and in another way than
// the codec's, to check it by. An offset of -1 is a field that is not there.
type table struct {
	name                 string
	size                 int
	order                binary.ByteOrder
	typ, pid, sec, usec  field
	line, id, user, host field
	session              field
	exit, addr, syslen   int
	oldTime, newTime     int64 // ut_type's numbers
}

var none = field{-1, 0}

func linux(name string, size int, order binary.ByteOrder, session, sec, usec field, addr int) table {
	return table{
		name: name, size: size, order: order,
		typ: field{0, 2}, pid: field{4, 4}, line: field{8, 32}, id: field{40, 4},
		user: field{44, 32}, host: field{76, 256}, exit: 332,
		session: session, sec: sec, usec: usec, addr: addr, syslen: -1, oldTime: 4, newTime: 3,
	}
}

func illumos(name string, order binary.ByteOrder) table {
	return table{
		name: name, size: 372, order: order,
		user: field{0, 32}, id: field{32, 4}, line: field{36, 32}, pid: field{68, 4},
		typ: field{72, 2}, exit: 74, sec: field{80, 4}, usec: field{84, 4},
		session: field{88, 4}, syslen: 112, host: field{114, 257}, addr: -1, oldTime: 3, newTime: 4,
	}
}

var (
	le, be = binary.LittleEndian, binary.BigEndian

	// tables are the layouts that this package reads and writes.
	tables = []table{
		linux("glibc-384-le", 384, le, field{336, 4}, field{340, 4}, field{344, 4}, 348),
		linux("glibc-384-be", 384, be, field{336, 4}, field{340, 4}, field{344, 4}, 348),
		linux("glibc-400-le", 400, le, field{336, 8}, field{344, 8}, field{352, 8}, 360),
		linux("glibc-400-be", 400, be, field{336, 8}, field{344, 8}, field{352, 8}, 360),
		linux("musl-400-le", 400, le, field{336, 4}, field{344, 8}, field{352, 8}, 360),
		linux("musl-400-be", 400, be, field{340, 4}, field{344, 8}, field{352, 8}, 360),
		illumos("illumos-372-le", le),
		illumos("illumos-372-be", be),
	}

	// foreign are layouts of other systems, which are not to be taken for ours.
	foreign = []table{
		{name: "freebsd", size: 197, order: be, typ: field{0, 1}, sec: field{1, 8}, id: field{9, 8}, pid: field{17, 4},
			user: field{21, 32}, line: field{53, 16}, host: field{69, 128}, usec: none, session: none, exit: -1, addr: -1, syslen: -1},
		{name: "netbsd", size: 520, order: le, user: field{0, 32}, id: field{32, 4}, line: field{36, 32}, host: field{68, 256},
			session: field{324, 2}, typ: field{326, 2}, pid: field{328, 4}, exit: 332, addr: -1, syslen: -1,
			sec: field{464, 8}, usec: field{472, 4}, oldTime: 3, newTime: 4},
		{name: "netbsd-i386", size: 516, order: le, user: field{0, 32}, id: field{32, 4}, line: field{36, 32}, host: field{68, 256},
			session: field{324, 2}, typ: field{326, 2}, pid: field{328, 4}, exit: 332, addr: -1, syslen: -1,
			sec: field{464, 8}, usec: field{472, 4}, oldTime: 3, newTime: 4},
		{name: "macos", size: 628, order: le, user: field{0, 256}, id: field{256, 4}, line: field{260, 32}, pid: field{292, 4},
			typ: field{296, 2}, sec: field{300, 4}, usec: field{304, 4}, host: field{308, 256}, session: none, exit: -1, addr: -1, syslen: -1,
			oldTime: 3, newTime: 4},
		{name: "openbsd", size: 304, order: le, line: field{0, 8}, user: field{8, 32}, host: field{40, 256}, sec: field{296, 8},
			typ: none, pid: none, id: none, usec: none, session: none, exit: -1, addr: -1, syslen: -1},
	}
)

// record builds the bytes of r by the table.
func (t table) record(r utmpx.Record) []byte {
	b := make([]byte, t.size)
	num := func(f field, v int64) {
		if f.off < 0 {
			return
		}
		var wide [8]byte
		t.order.PutUint64(wide[:], uint64(v))
		if t.order.String() == "BigEndian" {
			copy(b[f.off:f.off+f.width], wide[8-f.width:])
		} else {
			copy(b[f.off:f.off+f.width], wide[:])
		}
	}
	str := func(f field, s string) {
		if f.off >= 0 {
			copy(b[f.off:f.off+f.width], s)
		}
	}
	typ := int64(r.Type)
	switch r.Type {
	case utmpx.OldTime:
		typ = t.oldTime
	case utmpx.NewTime:
		typ = t.newTime
	}
	num(t.typ, typ)
	num(t.pid, int64(r.PID))
	str(t.line, r.Line)
	str(t.id, r.ID)
	str(t.user, r.User)
	str(t.host, r.Host)
	num(t.session, r.Session)
	if t.name == "freebsd" {
		num(t.sec, r.Time.Sec*1_000_000+r.Time.Usec)
	} else {
		num(t.sec, r.Time.Sec)
		num(t.usec, r.Time.Usec)
	}
	if t.exit >= 0 {
		num(field{t.exit, 2}, int64(r.Exit.Termination))
		num(field{t.exit + 2, 2}, int64(r.Exit.Exit))
	}
	if t.addr >= 0 {
		copy(b[t.addr:t.addr+16], r.Addr[:])
	}
	if t.syslen >= 0 && r.Host != "" {
		num(field{t.syslen, 2}, int64(min(len(r.Host)+1, 257)))
	}
	return b
}

func (t table) file(recs ...utmpx.Record) []byte {
	var out []byte
	for _, r := range recs {
		out = append(out, t.record(r)...)
	}
	return out
}

func (t table) layout(tb testing.TB) *utmpx.Layout {
	tb.Helper()
	l, err := utmpx.ByName(t.name)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}
