// SPDX-License-Identifier: BSD-2-Clause

package utmpx

import (
	"fmt"
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

// TestUsual: the layout that has a codec of its own is read and written as if it had none.
func TestUsual(t *testing.T) {
	general := *Glibc384LE // at another address
	random := rand.New(rand.NewPCG(3, 4))
	word := func(width int) string {
		n := []int{0, 3, width - 1, width, width + 1}[random.IntN(5)]
		if random.IntN(40) == 0 {
			return strings.Repeat("x", n/2) + "\x00" + "y"
		}
		return strings.Repeat("x", n)
	}
	number := func() int64 {
		return []int64{0, 1, -1, 1<<31 - 1, -1 << 31, 1 << 31, 1<<32 - 1, 1 << 32, -1<<31 - 1}[random.IntN(9)]
	}
	failed := 0
	for range 50_000 {
		r := Record{Type: Type(random.Uint32()), PID: int32(number()), Line: word(32), ID: word(4), User: word(32), Host: word(256)}
		r.Exit = Exit{int16(random.Uint32()), int16(random.Uint32())}
		for i := range r.Addr {
			r.Addr[i] = byte(random.Uint32())
		}
		if random.IntN(2) == 0 {
			r.Session, r.Time = number(), Time{number(), number()}
		}
		b, err := Glibc384LE.Encode(r)
		want, wantErr := general.Encode(r)
		if string(b) != string(want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("%+v:\n got %x, %v\nwant %x, %v", r, b, err, want, wantErr)
		}
		if err != nil {
			failed++
			continue
		}
		got, plain := Glibc384LE.Decode(string(b)), general.Decode(string(b))
		if plain.layout = Glibc384LE; got != plain {
			t.Fatalf("\n got %+v\nwant %+v", got, plain)
		}
	}
	if failed < 1000 || failed > 49_000 {
		t.Errorf("%d of 50000 did not fit", failed)
	}
}
