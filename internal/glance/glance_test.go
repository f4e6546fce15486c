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
			first := byte(0)
			if r.User != "" {
				first = r.User[0]
			}
			if f.PID(b) != r.PID || f.Exit(b) != r.Exit || f.Line(b) != r.Line || f.User(b) != r.User || f.ID(b) != r.ID || f.Host(b) != r.Host || f.FirstOfUser(b) != first {
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
