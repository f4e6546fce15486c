// SPDX-License-Identifier: BSD-2-Clause

package grid_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/utmpx"
)

// TestDamage: every whole record of a damaged log is found, whatever its layout, in
// both directions; and the damage is where it is.
func TestDamage(t *testing.T) {
	const n = 40
	tests := []struct {
		name string
		do   func(b []byte, size int64) (damaged []byte, whole [][2]int64, damage [][2]int64)
	}{
		{"none", func(b []byte, size int64) ([]byte, [][2]int64, [][2]int64) {
			return b, [][2]int64{{0, n * size}}, nil
		}},
		{"a torn record in the middle", func(b []byte, size int64) ([]byte, [][2]int64, [][2]int64) {
			return slices.Delete(b, int(10*size+100), int(11*size)), [][2]int64{{0, 10 * size}, {10*size + 100, 39*size + 100}}, [][2]int64{{10 * size, 10*size + 100}}
		}},
		{"a torn record, filled up with NULs", func(b []byte, size int64) ([]byte, [][2]int64, [][2]int64) {
			clear(b[10*size+50 : 11*size])
			return b, [][2]int64{{0, 10 * size}, {11 * size, n * size}}, [][2]int64{{10 * size, 11 * size}}
		}},
		{"the beginning cut off", func(b []byte, size int64) ([]byte, [][2]int64, [][2]int64) {
			return b[100:], [][2]int64{{size - 100, n*size - 100}}, [][2]int64{{0, size - 100}}
		}},
		{"NULs at the start", func(b []byte, size int64) ([]byte, [][2]int64, [][2]int64) {
			clear(b[:4296])
			k := (4296 + size - 1) / size
			return b, [][2]int64{{k * size, n * size}}, [][2]int64{{0, k * size}}
		}},
		{"NULs inserted", func(b []byte, size int64) ([]byte, [][2]int64, [][2]int64) {
			return slices.Insert(b, int(9*size), make([]byte, 4096)...), [][2]int64{{0, 9 * size}, {9*size + 4096, n*size + 4096}}, [][2]int64{{9 * size, 9*size + 4096}}
		}},
		{"a torn tail", func(b []byte, size int64) ([]byte, [][2]int64, [][2]int64) {
			return b[:n*size-7], [][2]int64{{0, (n - 1) * size}}, nil
		}},
		{"a torn tail behind a torn record", func(b []byte, size int64) ([]byte, [][2]int64, [][2]int64) {
			return slices.Delete(b, int(37*size+100), int(38*size))[:39*size], [][2]int64{{0, 37 * size}, {37*size + 100, 38*size + 100}}, [][2]int64{{37 * size, 37*size + 100}}
		}},
		{"a control character", func(b []byte, size int64) ([]byte, [][2]int64, [][2]int64) {
			i := bytes.Index(b[20*size:], []byte("alice"))
			b[20*size+int64(i)] = 7
			return b, [][2]int64{{0, n * size}}, nil
		}},
		{"the first one odd", func(b []byte, size int64) ([]byte, [][2]int64, [][2]int64) {
			b[bytes.Index(b, []byte("reboot"))] = 7
			return b, [][2]int64{{0, n * size}}, nil
		}},
		{"the last one odd", func(b []byte, size int64) ([]byte, [][2]int64, [][2]int64) {
			b[bytes.LastIndex(b, []byte("alice"))] = 7
			return b, [][2]int64{{0, n * size}}, nil
		}},
	}
	for _, tt := range tests {
		for _, l := range utmpx.Layouts() {
			for _, chunk := range []int64{chunk, 400, 512 * 400} {
				rng := rand.New(rand.NewPCG(1, 2))
				b, whole, damage := tt.do(encode(t, l, day(rng, n)...), int64(l.Size()))
				var want []at
				for _, w := range whole {
					want = append(want, count(w[0], w[1], l)...)
				}
				var bad []grid.Part
				for _, d := range damage {
					bad = append(bad, grid.Part{Off: d[0], End: d[1]})
				}
				got, gotBad := read(t, b, l, chunk)
				if !slices.Equal(got, want) || !slices.Equal(gotBad, bad) {
					t.Errorf("%s, %s, chunks of %d: %d records, damage %v; want %d, damage %v", tt.name, l, chunk, len(got), gotBad, len(want), bad)
				}
			}
		}
	}
}

// TestTwoLayouts: a program of another layout appended, once or for good.
func TestTwoLayouts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, l := range utmpx.Layouts() {
		for _, m := range utmpx.Layouts() {
			if l.Size() == m.Size() && l.Name()[len(l.Name())-2:] == m.Name()[len(m.Name())-2:] {
				continue
			}
			recs := day(rng, 80)
			a, b, c := encode(t, l, recs[:24]...), encode(t, m, recs[27]), encode(t, l, recs[32:]...)
			want := count(0, int64(len(a)), l)
			want = append(want, at{twin(m), int64(len(a))})
			for _, w := range count(0, int64(len(c)), l) {
				want = append(want, at{l, w.off + int64(len(a)+len(b))})
			}
			if got, bad := read(t, slices.Concat(a, b, c), l, chunk); !slices.Equal(got, want) || len(bad) > 0 {
				t.Errorf("%s in %s: %d records, want %d; damage %v", m, l, len(got), len(want), bad)
			}
		}
	}
}

// twin returns the layout that a record shows: musl's looks like glibc's.
func twin(l *utmpx.Layout) *utmpx.Layout {
	switch l {
	case utmpx.Musl400LE:
		return utmpx.Glibc400LE
	case utmpx.Musl400BE:
		return utmpx.Glibc400BE
	}
	return l
}

// TestFrom: reading from a record on yields what reading all yields there.
func TestFrom(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	l := utmpx.Glibc384LE
	b := encode(t, l, day(rng, 60)...)
	b = slices.Delete(b, 30*384+100, 31*384)
	all, _ := read(t, b, l, chunk)
	f := file(b, l, chunk)
	for i, from := range all {
		got, _ := split(t, f.Forward(from.off), false)
		if !slices.Equal(got, all[i:]) {
			t.Errorf("from %d: %d records, want %d", from.off, len(got), len(all)-i)
		}
		got, _ = split(t, f.Backward(from.off), true)
		slices.Reverse(got)
		if !slices.Equal(got, all[:i]) {
			t.Errorf("before %d: %d records, want %d", from.off, len(got), i)
		}
	}
}

// TestError: what cannot be read ends the walk with that error.
func TestError(t *testing.T) {
	b := encode(t, utmpx.Glibc384LE, day(rand.New(rand.NewPCG(1, 2)), 60)...)
	f := file(b, utmpx.Glibc384LE, chunk)
	f.Size += 400
	for _, walk := range []func(func(grid.Part, error) bool){f.Forward(0), f.Backward(f.Size)} {
		failed := false
		for _, err := range walk {
			failed = err != nil
		}
		if !failed {
			t.Error("no error")
		}
	}
}

// TestOverlap: a record that lost no more than its address and what is unused behind
// it looks whole, with the beginning of the next one in their place. The one with
// more records on its grid is believed; if neither has more, none.
func TestOverlap(t *testing.T) {
	l, size := utmpx.Glibc384LE, int64(384)
	tests := []struct {
		name      string
		torn, all int
		next      bool // the record behind it is believed
		itself    bool
	}{
		{"few before, many after", 3, 40, true, false},
		{"many before, few after", 35, 39, false, true},
		{"as many", 11, 24, false, false},
	}
	for _, tt := range tests {
		recs := day(rand.New(rand.NewPCG(1, 2)), tt.all)
		for i := range recs {
			recs[i] = recs[3]
			recs[i].Time.Sec += int64(i)
		}
		torn := int64(tt.torn)
		b := slices.Delete(encode(t, l, recs...), int((torn+1)*size-36), int((torn+1)*size))
		got, _ := read(t, b, l, chunk)
		if found := slices.Contains(got, at{l, (torn+1)*size - 36}); found != tt.next {
			t.Errorf("%s: the record behind it: %v, want %v", tt.name, found, tt.next)
		}
		if found := slices.Contains(got, at{l, torn * size}); found != tt.itself {
			t.Errorf("%s: the torn record: %v, want %v", tt.name, found, tt.itself)
		}
	}
}

// TestMixed: the head of the record of a boot and the tail of another record, which a C
// library has put on the grid again by cutting off the end, are no record of 1970.
func TestMixed(t *testing.T) {
	for _, l := range utmpx.Layouts() {
		for seed := range uint64(20) {
			rng := rand.New(rand.NewPCG(seed, 3))
			size := l.Size()
			b := encode(t, l, day(rng, 12)...)
			from := 8*size + 40 + rng.IntN(30) // the ninth one is of a boot, and keeps no time
			b = slices.Delete(b, from, from+size+1+rng.IntN(size-2))
			b = append(b[:9*size], encode(t, l, day(rng, 6)...)...)
			got, _ := read(t, b, l, chunk)
			for _, r := range got {
				if r.off == int64(8*size) {
					t.Errorf("%s, cut at %d: a record of two", l, from-8*size)
				}
			}
		}
	}
}
