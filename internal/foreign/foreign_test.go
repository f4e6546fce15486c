// SPDX-License-Identifier: BSD-2-Clause

package foreign

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/utmpx"
)

var files = flag.Int("foreign.n", 1400, "how many files are made up; with 100000, they are cut at each byte")

func fileCount() int {
	if testing.Short() {
		return min(*files, 350)
	}
	return *files
}

func content(b []byte) logs.Content {
	return logs.Content{Size: int64(len(b)), At: func(from, to int64) ([]byte, error) { return b[from:to], nil }}
}

// TestRecords: every system's own bytes read as what was recorded, and are written again
// the same.
func TestRecords(t *testing.T) {
	events := []event{
		{kind: boot, at: 1_780_000_000, usec: 1},
		{kind: in, pid: 99998, line: "pts/0", user: "operator", host: "2001:db8::7.exam", at: 1_780_000_010, usec: 999_999},
		{kind: in, pid: 70, line: "ttyp1", user: "bob", at: 1_780_000_011},
		{kind: clockOld, at: 1_780_000_012},
		{kind: clockNew, at: 1_780_000_020},
		{kind: out, pid: 99998, line: "pts/0", at: 1_780_000_030, usec: 7},
		{kind: shutdown, at: 1_780_000_040},
	}
	for _, s := range systems {
		t.Run(s.name, func(t *testing.T) {
			b := s.file(events)
			f := Detect(b)
			if f == nil || f.layout != s.layout || f.trimmed != s.trimmed {
				t.Fatalf("detected as %+v", f)
			}
			again := f.Header()
			n := 0
			for p, err := range f.Forward(content(b), 0) {
				if err != nil || p.Records == nil {
					t.Fatalf("%+v, %v", p, err)
				}
				for r := p.Records; len(r) > 0; r = r[s.layout.Size():] {
					got, want := s.layout.Decode(string(r[:s.layout.Size()])), events[n]
					if line, _, _ := plain(want); s.layout.Size() <= 304 && !hasType(s.layout) && got.Line != line ||
						want.kind == in && (got.Line != want.line || got.User != want.user || got.Host != want.host) {
						t.Errorf("%+v reads as %s", want, got)
					}
					if got.Type != ours[want.kind] || got.Time.Sec != want.at || hasType(s.layout) && got.Time.Usec != want.usec {
						t.Errorf("%+v reads as %s", want, got)
					}
					if hasType(s.layout) && int(got.PID) != want.pid {
						t.Errorf("%+v has pid %d", want, got.PID)
					}
					n++
					var err error
					if again, err = f.Append(again, got); err != nil {
						t.Fatal(err)
					}
				}
			}
			if n != len(events) {
				t.Errorf("%d records", n)
			}
			if !bytes.Equal(again, b) {
				t.Error("written again it differs")
			}
		})
	}
}

// TestBackward: the same parts as forward, in the other order, also in damaged files.
func TestBackward(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, s := range systems {
		b := damaged(rnd, s.file(history(rnd, 1500)))
		f := FormOf(s.layout)
		if s.trimmed {
			f = Log
		}
		bytewise := func(parts []logs.Piece) (all []string) {
			for _, p := range parts {
				size := s.layout.Size()
				for i := 0; i < len(p.Records); i += size {
					all = append(all, fmt.Sprintf("%x", p.Records[i:i+size]))
				}
				if p.Records == nil {
					all = append(all, fmt.Sprint("damage ", p.Off, " ", p.End))
				}
			}
			return all
		}
		var forward, backward []logs.Piece
		for p := range f.Forward(content(b), 0) {
			forward = append(forward, p)
		}
		for p := range f.Backward(content(b)) {
			backward = append([]logs.Piece{p}, backward...)
		}
		if diff := cmp.Diff(bytewise(forward), bytewise(backward)); diff != "" {
			t.Errorf("%s: -forward +backward:\n%s", s.name, diff)
		}
		end := int64(len(s.head))
		for _, p := range forward {
			if p.Off != end {
				t.Errorf("%s: bytes %d to %d are in no part", s.name, end, p.Off)
			}
			end = p.End
		}
		if end != int64(len(b)) {
			t.Errorf("%s: it ends at %d of %d", s.name, end, len(b))
		}
	}
}

// damaged returns bytes with damage: some overwritten, some left out, some put in.
func damaged(rnd *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + rnd.IntN(3) {
		if len(b) < 10 {
			return b
		}
		at, n := rnd.IntN(len(b)), rnd.IntN(600)
		end := min(len(b), at+n)
		switch rnd.IntN(4) {
		case 0:
			for i := at; i < end; i++ {
				b[i] = byte(rnd.UintN(256))
			}
		case 1:
			clear(b[at:end])
		case 2:
			b = append(b[:at], b[end:]...)
		case 3:
			more := make([]byte, n)
			for i := range more {
				more[i] = byte(rnd.UintN(256))
			}
			b = append(b[:at], append(more, b[at:]...)...)
		}
	}
	return b
}

// TestCut: a file that was cut anywhere is what it was, or unknown.
func TestCut(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	step := 11
	if *files >= 100_000 {
		step = 1
	}
	for _, s := range systems {
		b := s.file(history(rnd, 4))
		known := 0
		for n := 0; n < len(b); n += step {
			for _, part := range [][]byte{b[:n], b[n:]} {
				if f := Detect(part); f != nil {
					known++
					if f.layout != s.layout || f.trimmed != s.trimmed {
						t.Fatalf("%s: cut at byte %d it is %s", s.name, n, f.layout)
					}
				}
			}
		}
		if known == 0 {
			t.Errorf("%s: never known", s.name)
		}
	}
}

// TestNeverMistaken: damaged or not, no file is taken for one of another system. So it is with
// files of the systems that have utmpd, which are none of these.
func TestNeverMistaken(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	known := map[string]int{}
	made := map[string]int{}
	for i := range fileCount() {
		s := systems[i%len(systems)]
		b := s.file(history(rnd, 3+rnd.IntN(40)))
		whole := i%3 > 0
		if !whole {
			b = damaged(rnd, b)
		}
		f := Detect(b)
		if whole {
			made[s.name]++
		}
		if f == nil {
			continue
		}
		if f.layout != s.layout || f.trimmed != s.trimmed {
			t.Errorf("file %d of %s is %s, trimmed %v", i, s.name, f.layout, f.trimmed)
		}
		if whole {
			known[s.name]++
		}
	}
	for _, s := range systems {
		if 10*known[s.name] < 9*made[s.name] {
			t.Errorf("of %d files of %s %d are known", made[s.name], s.name, known[s.name])
		}
	}
	t.Log(known, made)
}

// TestOwnFilesAreNotForeign: files of the systems that have utmpd, and what is no log at all.
func TestOwnFilesAreNotForeign(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	for _, l := range utmpx.Layouts() {
		golden, err := os.ReadFile("../../utmpx/testdata/" + l.Name() + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		for i := range fileCount() / 8 {
			b := golden
			if i > 0 {
				b = nil
				for _, e := range history(rnd, 1+rnd.IntN(30)) {
					r := utmpx.Record{Type: ours[e.kind], PID: int32(e.pid), Line: e.line, User: e.user, Host: e.host, Time: utmpx.Time{Sec: e.at, Usec: e.usec}}
					if r.Line == "" {
						r.Line = "~"
					}
					if b, err = l.AppendEncode(b, r); err != nil {
						t.Fatal(err)
					}
				}
			}
			if i%2 == 1 {
				b = damaged(rnd, b)
			}
			if f := Detect(b); f != nil {
				t.Fatalf("%s, file %d: taken for %s", l, i, f.layout)
			}
		}
	}
	for i := range fileCount() {
		b := make([]byte, rnd.IntN(4000))
		for j := range b {
			if i%2 == 0 || rnd.IntN(5) == 0 {
				b[j] = byte(rnd.UintN(256))
			}
		}
		if f := Detect(b); f != nil {
			t.Fatalf("random bytes are taken for %s: %q", f.layout, b)
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 5000), bytes.Repeat([]byte("a line of text\n"), 400)} {
		if f := Detect(b); f != nil {
			t.Errorf("%.20q is taken for %s", b, f.layout)
		}
	}
}

// TestTooLittle: what one record alone looks like may be anything.
func TestTooLittle(t *testing.T) {
	logins := []event{
		{kind: in, pid: 7, line: "ttyp0", user: "alice", host: "ws7", at: 1_780_000_000},
		{kind: in, pid: 8, line: "ttyp1", user: "bob", at: 1_780_000_100},
	}
	for _, s := range systems {
		if b := s.file(logins); Detect(b) == nil {
			t.Errorf("two records of %s are unknown", s.name)
		}
		if s.layout.Size() > 40 {
			continue
		}
		odd := slices.Clone(logins)
		odd[1].line = "word"
		if b := s.file(odd); Detect(b) != nil {
			t.Errorf("two records of %s on lines that may be anything: %v", s.name, Detect(b))
		}
		if b := s.file(logins[:1]); len(b) >= 36 && Detect(b[:36]) != nil {
			t.Errorf("36 bytes of %s: %v", s.name, Detect(b))
		}
	}
	// The padding of NetBSD's record is longer on 64-bit machines.
	s := systems[2]
	for _, e := range []event{logins[0], {kind: clockNew, at: 1_780_000_000}} {
		if b := s.file([]event{e}); Detect(b) == nil || Detect(b[:len(b)-4]) != nil {
			t.Error("a record of 520 bytes without its padding is one of 516")
		}
	}
}
