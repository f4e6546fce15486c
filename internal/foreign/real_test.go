// SPDX-License-Identifier: BSD-2-Clause

package foreign

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// macosReal is what a Mac of 2013 had in /var/run/utmpx, with other names: an ID that is no
// text, a slot given back whose ID, process and microseconds are still there, and dead sessions
// with their users.
//
// Source: test_data/utmpx_mac of plaso.
func macosReal() []byte {
	records := []macosRecord{
		{PID: 1, Type: 2, Sec: 1384365154},
		{PID: 67, Type: 7, Sec: 1384365161, Usec: 736713},
		{PID: 6761, Type: 7, Sec: 1384400842, Usec: 428014},
		{PID: 6802, Type: 0, Usec: 116231},
		{PID: 6899, Type: 8, Sec: 1384403576, Usec: 641464},
		{PID: 6343, Type: 8, Sec: 1384400234, Usec: 718830},
	}
	b := macosHead(le)
	for i, r := range records {
		line := [...]string{"", "console", "ttys000", "", "ttys002", "ttys003"}[i]
		put(r.Line[:], line)
		put(r.ID[:], [...]string{"", "/\x00\x01\x00", "s000", "s001", "s002", "s003"}[i])
		if line != "" {
			put(r.User[:], "alice")
		}
		b = append(b, packed(le, r, 0)...)
	}
	return b
}

// netbsdReal are records of NetBSD 9: init's of a getty, whose user is its command, and a
// login over ssh with its address and port.
//
// Source: src/tests/common.rs of super-speedy-syslog-searcher.
func netbsdReal(login bool, pad int) []byte {
	r := netbsdRecord{Session: 2, Type: 6, PID: 651, Sec: 1708848925, Usec: 460597}
	put(r.Name[:], "/usr/libexec/getty")
	put(r.ID[:], "stty")
	put(r.Line[:], "constty")
	if login {
		r = netbsdRecord{Type: 7, PID: 201, Len: 16, Family: 2, Port: 0x1cc1, Addr4: [4]byte{192, 168, 124, 180}, Sec: 1708850203, Usec: 794868}
		put(r.Name[:], "root")
		put(r.ID[:], "ts/2")
		put(r.Line[:], "pts/2")
		put(r.Host[:], "192.168.100.254")
	}
	return packed(le, r, pad)
}

// libulog returns the ID that libulog of FreeBSD, and so login(1) and sshd there, gives a
// session: a hash of the line.
//
// Source: ulog_fill in FreeBSD's contrib/libulog/ulog_login.c.
func libulog(line string) (id [8]byte) {
	var field [16]byte
	put(field[:], line)
	sum := sha1.Sum(append([]byte("libulog"), field[:]...))
	copy(id[:], sum[:])
	return id
}

// TestReal: what the systems themselves have written is known, each record of it.
func TestReal(t *testing.T) {
	session := func(line string, trimmed bool) (all []byte) {
		for i, e := range []event{
			{kind: in, pid: 812, line: line, user: "alice", host: "192.0.2.7", at: 1_700_000_000, usec: 7},
			{kind: out, pid: 813, at: 1_700_000_060},
		} {
			f := futx{Type: freebsdNumbers[e.kind], TV: uint64(e.at*1e6 + e.usec), ID: libulog(line), PID: uint32(e.pid)}
			put(f.User[:], e.user)
			put(f.Line[:], e.line)
			put(f.Host[:], e.host)
			if b := packed(be, f, 0); !trimmed {
				all = append(all, b...)
			} else if b = bytes.TrimRight(b, "\x00"); i < 2 {
				all = append(append(all, 0, byte(len(b))), b...)
			}
		}
		return all
	}
	tests := []struct {
		name string
		b    []byte
		l    *utmpx.Layout
		n    int
		ids  string
	}{
		{"macos", macosReal(), utmpx.MacOS628LE, 6, `["" "/\x00\x01" "s000" "s001" "s002" "s003"]`},
		{"macos, torn", macosReal()[:628*6+400], utmpx.MacOS628LE, 5, `["" "/\x00\x01" "s000" "s001" "s002"]`},
		{"macos, a signature", macosHead(le), utmpx.MacOS628LE, 0, "[]"},
		{"netbsd getty", netbsdReal(false, 40), utmpx.NetBSD516LE, 1, `["stty"]`},
		{"netbsd login", netbsdReal(true, 44), utmpx.NetBSD520LE, 1, `["ts/2"]`},
		{"netbsd, a signature", netbsdHead(be, 44), utmpx.NetBSD520BE, 0, "[]"},
	}
	// Of the lines whose hash has a NUL, the first within it and the first that begins with it.
	for _, line := range []string{nulAt(t, func(i int) bool { return i > 0 && i < 7 }), nulAt(t, func(i int) bool { return i == 0 })} {
		id := libulog(line)
		ids := fmt.Sprintf("[%q %[1]q]", bytes.TrimRight(id[:], "\x00"))
		for _, trimmed := range []bool{false, true} {
			tests = append(tests, struct {
				name string
				b    []byte
				l    *utmpx.Layout
				n    int
				ids  string
			}{fmt.Sprintf("freebsd %s, %v", line, trimmed), session(line, trimmed), utmpx.FreeBSD197, 2, ids})
		}
	}
	if f := Detect(netbsdHead(le, 44)[:516]); f != nil {
		t.Errorf("a signature that was cut is %s", f.layout)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := Detect(tt.b)
			if f == nil || f.layout != tt.l {
				t.Fatalf("detected as %+v", f)
			}
			ids, again := []string{}, f.Header()
			for p := range f.Forward(content(tt.b), 0) {
				for b := p.Records; len(b) > 0; b = b[tt.l.Size():] {
					r := tt.l.Decode(string(b[:tt.l.Size()]))
					ids = append(ids, r.ID)
					var err error
					if again, err = f.Append(again, r); err != nil {
						t.Error(err)
					}
				}
			}
			if got := fmt.Sprintf("%q", ids); len(ids) != tt.n || got != tt.ids {
				t.Errorf("%d records with the IDs %s, not %s", len(ids), got, tt.ids)
			}
			if !bytes.HasPrefix(tt.b, again[len(f.Header()):]) && !bytes.HasPrefix(tt.b, again) {
				t.Error("written again they differ")
			}
		})
	}
}

// nulAt returns a line whose ID has its first NUL where it is asked for.
func nulAt(t *testing.T, where func(i int) bool) string {
	for i := range 5000 {
		line := fmt.Sprint("pts/", i)
		if id := libulog(line); where(bytes.IndexByte(id[:], 0)) {
			return line
		}
	}
	t.Fatal("no such line")
	return ""
}

// TestOldClock: a board without a clock of its own boots in 1970. Such records are read where
// others show what the file is.
func TestOldClock(t *testing.T) {
	for _, s := range systems {
		if !hasType(s.layout) {
			continue
		}
		b := s.file([]event{
			{kind: boot, at: 23},
			{kind: in, pid: 70, line: "ttyu0", user: "root", at: 40},
			{kind: clockOld, at: 61},
			{kind: clockNew, at: 1_780_000_012},
			{kind: in, pid: 99, line: "pts/0", user: "operator", at: 1_780_000_030},
		})
		f := Detect(b)
		if f == nil || f.layout != s.layout || f.trimmed != s.trimmed {
			t.Errorf("%s: detected as %+v", s.name, f)
			continue
		}
		n := 0
		for p := range f.Forward(content(b), 0) {
			n += len(p.Records) / s.layout.Size()
		}
		if n != 5 {
			t.Errorf("%s: %d records", s.name, n)
		}
	}
}

// TestSmall: files of few records are known, with blocks of zeros that a power cut left, with
// a signature also after damage, and if no two forms can read them.
func TestSmall(t *testing.T) {
	login := event{kind: in, pid: 70, line: "pts/1", user: "operator", host: "192.0.2.7", at: 1_780_000_000}
	boots := event{kind: boot, at: 1_779_999_000}
	logout := event{kind: out, pid: 70, line: "pts/1", at: 1_780_000_100}
	zeros := make([]byte, 700)
	for _, s := range systems {
		whole := s.file([]event{boots, login, logout})
		tests := map[string][]byte{
			"whole":     whole,
			"two":       s.file([]event{login, logout}),
			"a tail":    append(bytes.Clone(whole), zeros...),
			"a hole":    append(append(s.file([]event{boots, login, logout}), zeros...), s.file([]event{login, logout, boots})[len(s.head):]...),
			"a torn":    whole[:len(whole)-3],
			"no header": s.file([]event{login, logout})[len(s.head):],
		}
		if s.head != nil {
			tests["damage"] = append(append(bytes.Clone(whole), whole[30:200]...), whole[len(s.head):]...)
			tests["1970"] = s.file([]event{{kind: boot, at: 23}, {kind: in, pid: 70, line: "ttyu0", user: "root", at: 40}})
		}
		for name, b := range tests {
			f := Detect(b)
			switch {
			case f == nil && s.layout.Size() == 36 && (name == "two" || name == "no header"):
				// Its two times are near each other in both byte orders.
			case f == nil || f.layout != s.layout || f.trimmed != s.trimmed:
				t.Errorf("%s, %s: %+v", s.name, name, f)
			}
		}
	}
}
