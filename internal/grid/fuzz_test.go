// SPDX-License-Identifier: BSD-2-Clause

package grid_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// FuzzDirections: forward is backward reversed, whatever the bytes are.
func FuzzDirections(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, l := range utmpx.Layouts() {
		b := encode(f, l, day(rng, 20)...)
		f.Add(b)
		f.Add(b[100:])
		f.Add(slices.Concat(b[:1000], b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, l := range utmpx.Layouts() {
			read(t, b, l, 4000)
		}
	})
}

// FuzzOnce: one cut, one insertion or one block of NULs leaves every whole record
// that it did not touch.
func FuzzOnce(f *testing.F) {
	for kind := range byte(3) {
		f.Add(kind, uint16(5000), uint16(100), uint64(1))
		f.Add(kind, uint16(0), uint16(4096), uint64(2))
		f.Add(kind, uint16(9000), uint16(384), uint64(3))
	}
	f.Add(byte(0), uint16(5200), uint16(0), uint64(3)) // a NUL between NULs
	f.Fuzz(func(t *testing.T, kind byte, where, length uint16, seed uint64) {
		once(t, kind, int64(where), int64(length), seed)
	})
}

// TestOnce is FuzzOnce with many of each.
func TestOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 1500 {
		once(t, byte(rng.IntN(3)), rng.Int64N(60*400), rng.Int64N(5000), rng.Uint64())
	}
}

// offsets returns where the records of b are found, and what is damaged.
func offsets(t *testing.T, b []byte, l *utmpx.Layout) (map[int64]bool, any) {
	recs, damage := read(t, b, l, 5000)
	found := make(map[int64]bool, len(recs))
	for _, r := range recs {
		found[r.off] = true
	}
	return found, damage
}

func once(t *testing.T, kind byte, where, length int64, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	l := utmpx.Layouts()[seed%uint64(len(utmpx.Layouts()))]
	recs := day(rng, 60)
	for i := range recs { // anchors on both sides: what is no anchor needs a neighbour
		if recs[i].Type == utmpx.InitProcess {
			recs[i] = recs[i+1]
		}
		if recs[i].User == "" { // illumos begins with the user: NULs there could end the record before
			recs[i].User = "alice"
		}
	}
	b := encode(t, l, recs...)
	size, end := int64(l.Size()), int64(len(b))
	where = min(where, end)
	length = min(length%6000+1, end-where)
	var from, moved int64 // records from there on are moved
	whole := where        // records up to there are whole
	switch kind % 3 {
	case 0:
		// Cut out a little before or after, the rest may be the same, byte for byte: then
		// nobody can tell which record is torn.
		from = where + length
		for whole > 0 && b[whole-1] == b[whole-1+length] {
			whole--
		}
		for from < end && b[from-length] == b[from] {
			from++
		}
		b, moved = slices.Delete(b, int(where), int(where+length)), -length
	case 1:
		b, from, moved = slices.Insert(b, int(where), make([]byte, length)...), where, length
	default:
		clear(b[where : where+length])
		from = where + length
	}
	found, damage := offsets(t, b, l)
	for off := int64(0); off < end; off += size {
		at := off
		switch {
		case off+size <= whole:
		case off >= from:
			at += moved
		default:
			continue
		}
		// On illumos a record ends in the NULs of its host and begins with a user: what
		// is left of its neighbour can overlap it, as good a record as itself.
		if beside := l.Size() == 372 && (at < where && at+2*size > where || off < from+2*size && off >= from); !found[at] && !beside {
			t.Fatalf("%s, kind %d at %d, %d bytes: the record at %d is not found; damage %v", l, kind%3, where, length, at, damage)
		}
	}
}
