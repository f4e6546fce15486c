// SPDX-License-Identifier: BSD-2-Clause

package grid_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// TestForged: what login clients choose, users and hosts, makes no record, wherever
// the log is damaged beside it. The attacker logs in some times in a row and lays the
// bytes of a record over his users and hosts, at any distance from the first login's
// beginning. A string ends at its first NUL, so he gets as far as that.
//
// The naive rule takes the next offset at which a record fits. It shows that the
// attacks are attacks.
func TestForged(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 1))
	forged, naive, tries, step := 0, 0, 0, 1
	if testing.Short() {
		step = 5
	}
	for _, l := range []*utmpx.Layout{utmpx.Glibc384LE, utmpx.Glibc400BE, utmpx.Illumos372LE} {
		for shift := 0; shift < 2*l.Size(); shift += step {
			for range 2 {
				b, cut, at := attacked(t, rng, l, shift)
				tries++
				off := int64(at + shift - cut)
				if nextFits(b, l, at-cut) == off {
					naive++
				}
				recs, _ := read(t, b, l, 512*400)
				for _, r := range recs {
					if r.off > int64(at-cut) && (r.off-int64(at-cut))%int64(l.Size()) != 0 {
						forged++
						t.Logf("%s, shift %d, cut %d: forged at %d", l, shift, cut, r.off)
					}
				}
			}
		}
	}
	if forged > 0 {
		t.Errorf("%d records forged in %d tries", forged, tries)
	}
	if naive == 0 {
		t.Error("the naive rule is not fooled: these are no attacks")
	}
	t.Logf("%d tries; the naive rule is fooled by %d of them", tries, naive)
}

// nextFits is the naive rule.
func nextFits(b []byte, l *utmpx.Layout, from int) int64 {
	for off := from; off+l.Size() <= len(b); off++ {
		if fits, _ := l.Fit(b[off : off+l.Size()]); fits == 1 {
			return int64(off)
		}
	}
	return -1
}

// attacked returns a log in which an attacker's logins begin at an offset, and from
// which some bytes before that are cut.
func attacked(t *testing.T, rng *rand.Rand, l *utmpx.Layout, shift int) (b []byte, cut, at int) {
	const first = 12
	size := l.Size()
	recs := day(rng, 40)
	forgery := recs[8*rng.IntN(2)+3*rng.IntN(2)] // a boot or a login
	forgery.Time = utmpx.Time{Sec: 0x61626364, Usec: 0x41}
	mask := bytes.Repeat([]byte("A"), 6*size)
	copy(mask[shift:], encode(t, l, forgery))
	if rng.IntN(2) == 0 { // and again and again
		for i := shift + size; i < len(mask); i += size {
			copy(mask[i:], mask[shift:shift+size])
		}
	}
	for i := range 5 {
		over := l.Decode(string(mask[i*size : (i+1)*size]))
		recs[first+i] = utmpx.Record{Type: utmpx.UserProcess, PID: 1 + rng.Int32N(1<<22), Line: "pts/7", ID: "ts/7", User: "mallory", Host: over.Host, Time: recs[first+i].Time}
		if rng.IntN(2) == 0 {
			recs[first+i].User = over.User
		}
	}
	cut, at = 64+rng.IntN(size-65), first*size
	return slices.Delete(encode(t, l, recs...), at-cut, at), cut, at
}

// FuzzForged: the same with any bytes as users and hosts.
func FuzzForged(f *testing.F) {
	f.Add("\x02", "~\x00\x00", 100)
	f.Add("aaaaaaaa\x02", "reboot~~~", 300)
	f.Add("reboot", "~", 384-44)
	f.Add("0\a", "0", 399) // the record before lost a byte, and the next one begins with such
	f.Add("\x12", "0\xe8\x19\xa4\r\xff\xff", 36)
	f.Fuzz(func(t *testing.T, first, second string, cut int) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, l := range utmpx.Layouts() {
			recs := day(rng, 30)
			text := func(s string) string {
				if i := bytes.IndexByte([]byte(s), 0); i >= 0 {
					s = s[:i]
				}
				return s[:min(len(s), 256)]
			}
			for i := 11; i < 17; i++ {
				recs[i] = utmpx.Record{Type: utmpx.UserProcess, PID: 4711, Line: "pts/7", ID: "ts/7", User: "mallory", Host: text(first), Time: recs[i].Time}
				if i%2 == 0 {
					recs[i].Host = text(second)
				}
			}
			b := encode(t, l, recs...)
			at := 11 * l.Size()
			n := 1 + int(uint(cut)%uint(l.Size()-1))
			b = slices.Delete(b, at-n, at)
			got, _ := read(t, b, l, chunk)
			for _, r := range got {
				off := r.off
				if off >= int64(at-n) {
					off += int64(n)
				}
				// The torn record may pass for whole, with what the next one begins with in
				// place of what it lost. The attacker has no part in that before the host.
				torn := off == int64(at-l.Size())
				if off%int64(l.Size()) != 0 || torn && n > hostAt(t, l) {
					t.Errorf("%s: cut %d: forged at %d", l, n, r.off)
				}
			}
		}
	})
}

// hostAt returns the offset of the host in a layout.
func hostAt(t testing.TB, l *utmpx.Layout) int {
	b := encode(t, l, utmpx.Record{Host: "x"})
	return bytes.LastIndexByte(b, 'x')
}
