// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/utmpx"
)

// TestForce: with a layout that is forced, all bytes are records of it, in both directions,
// compressed or not, and a part of one at the end is left out.
func TestForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 11))
	for _, how := range []string{"plain", "gz"} {
		for _, l := range utmpx.Layouts() {
			b := make([]byte, 1200*l.Size()+17)
			for i := range b {
				b[i] = byte(rng.UintN(256))
			}
			clear(b[:3*l.Size()])
			s := simfile.New()
			s.WriteFile("/sim/wtmp", compressed(t, how, b))
			log := logs.New("/sim/wtmp", logs.Options{System: s, Force: l})
			f, err := log.Open(t.Context(), "/sim/wtmp")
			check(t, err)
			var forward []byte
			var backward [][]byte
			for r, err := range f.Raw(0) {
				check(t, err)
				forward = append(forward, r.Bytes...)
			}
			for e, err := range f.Backward(f.End()) {
				check(t, err)
				backward = append(backward, []byte(e.Raw()))
			}
			check(t, f.Close())
			slices.Reverse(backward)
			back := bytes.Join(backward, nil)
			if want := b[:len(b)-17]; !bytes.Equal(forward, want) || !bytes.Equal(back, want) {
				t.Errorf("%s, %s: %d bytes forward, %d backward, want %d", how, l, len(forward), len(back), len(want))
			}
		}
	}
}

// TestForcePosition: a position in a file whose records are longer than those of the layouts
// here is found at its offset, also among records that are equal.
func TestForcePosition(t *testing.T) {
	for _, l := range utmpx.Foreign() {
		for _, how := range []string{"plain", "gz"} {
			s := simfile.New()
			one := raw(t, l, login("pts/0", 1))
			s.WriteFile("/sim/wtmp", compressed(t, how, slices.Repeat(one, 4)))
			log := logs.New("/sim/wtmp", logs.Options{System: s, Force: l})
			var all []logs.Position
			for e, err := range log.From(t.Context(), logs.Position{}) {
				check(t, err)
				all = append(all, e.Position())
			}
			for i, p := range all {
				left := 0
				for _, err := range log.From(t.Context(), p) {
					check(t, err)
					left++
				}
				if want := len(all) - 1 - i; left != want {
					t.Errorf("%s, %s: %d records after record %d, want %d", l, how, left, i, want)
				}
			}
			if len(all) != 4 {
				t.Errorf("%s, %s: %d records", l, how, len(all))
			}
		}
	}
}
