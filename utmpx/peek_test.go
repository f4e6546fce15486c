// SPDX-License-Identifier: BSD-2-Clause

package utmpx

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestPeek(t *testing.T) {
	for _, l := range Layouts() {
		for _, r := range []Record{
			{Type: OldTime, Line: "|", Time: Time{1_780_000_000, 123456}},
			{Type: UserProcess, PID: 7, Line: "pts/0", User: "alice", Time: Time{4_294_967_295, 999_999}},
			{},
		} {
			b, err := l.Encode(r)
			if err != nil {
				t.Fatal(err)
			}
			line := byte(0)
			if r.Line != "" {
				line = r.Line[0]
			}
			if typ, at, first := l.Peek(b); typ != r.Type || at != r.Time || first != line {
				t.Errorf("%s: %v, %v, %q of %v", l, typ, at, first, r)
			}
		}
	}
}

// A machine without a clock writes times of 1970. They prove nothing, and speak
// against nothing.
func TestDetectWithoutClock(t *testing.T) {
	for _, l := range Layouts() {
		early, err := l.Encode(Record{Type: BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.1", Time: Time{5, 1}})
		if err != nil {
			t.Fatal(err)
		}
		if fits, odd := l.Fit(early); fits != 0 || odd != 0 {
			t.Errorf("%s: %d fit, %d odd", l, fits, odd)
		}
		late, err := l.Encode(Record{Type: UserProcess, PID: 7, Line: "pts/0", User: "alice", Time: Time{1_780_000_000, 1}})
		if err != nil {
			t.Fatal(err)
		}
		var data []byte
		for range 3 {
			data = append(append(data, early...), late...)
		}
		if got, c := Detect(data); got.twin() != l.twin() || c != Sure {
			t.Errorf("%s: taken for %v, %v", l, got, c)
		}
	}
}

// Memory that held another record shows nothing of it.
func TestDecodeTo(t *testing.T) {
	full := Record{Type: BootTime, PID: -7, Line: "~", ID: "~~", User: "reboot", Host: "6.1", Session: 5,
		Time: Time{1_780_000_000, 1}, Exit: Exit{9, -1}, Addr: [16]byte{10, 0, 0, 1, 15: 1}}
	for _, l := range Layouts() {
		var r Record
		for _, want := range []Record{full, {}, {Type: UserProcess, PID: 1 << 30, Line: "pts/0", Time: Time{4_294_967_295, 999_999}}} {
			b, err := l.Encode(want)
			if err != nil {
				t.Fatal(err)
			}
			want.raw, want.layout = string(b), l
			if l.addr < 0 {
				want.Addr = [16]byte{}
			}
			if l.DecodeTo(&r, string(b)); r != want {
				t.Errorf("%s:\n got %v\nwant %v", l, r, want)
			}
		}
	}
}

// TestTexts: a text ends at the first NUL of its field, or where the field does, whatever is
// behind it.
func TestTexts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, l := range layouts {
		for range 2000 {
			b := make([]byte, l.size)
			for i := range b {
				b[i] = byte(1 + random.IntN(255))
			}
			fields := []text{l.line, l.id, l.user, l.host}
			for _, f := range fields {
				for range random.IntN(3) {
					b[f.off+random.IntN(f.width)] = 0
				}
			}
			r := l.Decode(string(b))
			for i, got := range []string{r.Line, r.ID, r.User, r.Host} {
				f := fields[i]
				want, _, _ := strings.Cut(string(b[f.off:f.off+f.width]), "\x00")
				if got != want {
					t.Fatalf("%s: field %d: %q, want %q", l, i, got, want)
				}
			}
		}
	}
}
