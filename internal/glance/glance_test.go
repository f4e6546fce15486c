// SPDX-License-Identifier: BSD-2-Clause

package glance

import (
	"math/rand/v2"
	"strings"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// TestGlance: a glance shows what the codec decodes, of any bytes in any layout.
func TestGlance(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, l := range utmpx.Layouts() {
		f := Of(l)
		if f.Layout() != l {
			t.Errorf("the layout is %v, want %v", f.Layout(), l)
		}
		for range 1000 {
			b := make([]byte, l.Size())
			for i := range b {
				if random.IntN(16) > 0 {
					b[i] = byte(random.Uint32())
				}
			}
			r := l.Decode(string(b))
			if f.PID(b) != r.PID || f.Exit(b) != r.Exit || f.Line(b) != r.Line || f.User(b) != r.User || f.ID(b) != r.ID || f.Host(b) != r.Host || f.FirstOfUser(b) != firstOf(r.User) ||
				f.FirstOfHost(b) != firstOf(r.Host) || cut(f.UserField(b)) != r.User {
				t.Fatalf("%s: of %v it shows %v %v %q %q %q %q", l, r, f.PID(b), f.Exit(b), f.Line(b), f.User(b), f.ID(b), f.Host(b))
			}
		}
	}
}

// TestShortLine: the words of two lines are the same if the lines are.
func TestShortLine(t *testing.T) {
	f := Of(utmpx.Native())
	lines := map[[2]uint64]string{}
	random := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		b := make([]byte, utmpx.Native().Size())
		for i := range b {
			b[i] = []byte{0, 0, 1, 'a', 'b', 0x7f, 0x80, 0x81, 0xff}[random.IntN(9)]
		}
		line := f.Line(b)
		first, second, ok := f.ShortLine(b)
		key := [2]uint64{first, second}
		if ok != (len(line) < 16) {
			t.Fatalf("%q: %v", line, ok)
		}
		if was, has := lines[key]; ok && has && was != line {
			t.Fatalf("%q and %q have one key", was, line)
		}
		if ok {
			lines[key] = strings.Clone(line)
		}
	}
}

func firstOf(s string) byte { return (s + "\x00")[0] }

func cut(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

// TestUsual: it takes the sessions on short lines, as the codec decodes them, and nothing else.
func TestUsual(t *testing.T) {
	l := utmpx.Glibc384LE
	f := Of(l)
	random := rand.New(rand.NewPCG(5, 6))
	taken := 0
	for range 100_000 {
		b := make([]byte, l.Size())
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		b[0], b[1] = byte(random.IntN(12)), byte(random.IntN(8)/7)
		if random.IntN(2) == 0 { // where the line ends; some begin with a ~
			b[8+random.IntN(32)] = 0
		}
		if random.IntN(16) == 0 {
			b[8] = '~'
		}
		r := l.Decode(string(b))
		session := r.Type == utmpx.UserProcess || r.Type == utmpx.DeadProcess
		first, second, short := f.ShortLine(b)
		typ, at, pid, one, two, ok := Usual(b)
		if want := session && short && r.Line != "" && r.Line[0] != '~'; ok != want {
			t.Fatalf("%v: taken: %t, want %t", r, ok, want)
		}
		if !ok {
			continue
		}
		taken++
		if typ != r.Type || at != r.Time || pid != r.PID || one != first || two != second {
			t.Fatalf("%v: %v %v %d %x %x", r, typ, at, pid, one, two)
		}
	}
	if taken < 1000 {
		t.Errorf("only %d were taken", taken)
	}
}
