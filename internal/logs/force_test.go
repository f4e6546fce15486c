// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
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
			var forward, backward []byte
			for r, err := range f.Raw(0) {
				check(t, err)
				forward = append(forward, r.Bytes...)
			}
			for e, err := range f.Backward(f.End()) {
				check(t, err)
				backward = slices.Concat([]byte(e.Raw()), backward)
			}
			check(t, f.Close())
			if want := string(b[:len(b)-17]); string(forward) != want || string(backward) != want {
				t.Errorf("%s, %s: %d bytes forward, %d backward, want %d", how, l, len(forward), len(backward), len(want))
			}
		}
	}
}
