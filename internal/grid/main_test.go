// SPDX-License-Identifier: BSD-2-Clause

package grid_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/utmpx"
)

// file is content in memory, which must be read within its bounds.
func file(b []byte, l *utmpx.Layout, chunk int64) *grid.File {
	return &grid.File{Size: int64(len(b)), Layout: l, Chunk: chunk, At: func(from, to int64) ([]byte, error) {
		if from < 0 || to > int64(len(b)) || from > to {
			return nil, fmt.Errorf("bytes %d to %d of %d", from, to, len(b))
		}
		return b[from:to:to], nil
	}}
}

const chunk = 16 * 384

// at is where a record was found.
type at struct {
	layout *utmpx.Layout
	off    int64
}

// read returns the records and the damage, forward, and checks that backward is the
// same.
func read(t testing.TB, b []byte, l *utmpx.Layout, chunk int64) (recs []at, damage []grid.Part) {
	t.Helper()
	f := file(b, l, chunk)
	recs, damage = split(t, f.Forward(0), false)
	back, backDamage := split(t, f.Backward(f.Size), true)
	slices.Reverse(back)
	slices.Reverse(backDamage)
	if !slices.Equal(recs, back) || !slices.Equal(damage, backDamage) {
		t.Fatalf("forward\n%v %v, backward\n%v %v", recs, damage, back, backDamage)
	}
	return recs, damage
}

func split(t testing.TB, parts func(func(grid.Part, error) bool), back bool) (recs []at, damage []grid.Part) {
	t.Helper()
	for p, err := range parts {
		if err != nil {
			t.Fatal(err)
		}
		if p.Layout == nil {
			damage = append(damage, p)
			continue
		}
		size := int64(p.Layout.Size())
		if (p.End-p.Off)%size != 0 || p.End <= p.Off {
			t.Fatalf("part %v", p)
		}
		var here []at
		for off := p.Off; off < p.End; off += size {
			here = append(here, at{p.Layout, off})
		}
		if back {
			slices.Reverse(here)
		}
		recs = append(recs, here...)
	}
	return recs, damage
}

const start = 1_780_000_000

// day returns n records as a machine writes them.
func day(rng *rand.Rand, n int) (recs []utmpx.Record) {
	for i := range n {
		at := utmpx.Time{Sec: start + int64(i)*100, Usec: rng.Int64N(1e6)}
		line := fmt.Sprintf("pts/%d", rng.IntN(20))
		r := utmpx.Record{Type: utmpx.UserProcess, PID: 300 + rng.Int32N(1<<20), Line: line, ID: "ts/1", User: "alice", Host: "host.example.org", Time: at}
		switch i % 8 {
		case 0:
			r = utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.1.0", Time: at}
		case 1:
			r = utmpx.Record{Type: utmpx.RunLevel, PID: '5' | 'N'<<8, Line: "~", ID: "~~", User: "runlevel", Host: "6.1.0", Time: at}
		case 2:
			r = utmpx.Record{Type: utmpx.InitProcess, PID: 400, ID: "si", Time: at} // no anchor
		case 4, 6:
			r.Type, r.User, r.Host = utmpx.DeadProcess, "", ""
		}
		r.Addr[0] = byte(i)
		recs = append(recs, r)
	}
	return recs
}

func encode(t testing.TB, l *utmpx.Layout, recs ...utmpx.Record) (b []byte) {
	t.Helper()
	for _, r := range recs {
		var err error
		if b, err = l.AppendEncode(b, r); err != nil && !errors.Is(err, utmpx.ErrRange) {
			t.Fatal(err)
		}
	}
	return b
}

func count(from, to int64, l *utmpx.Layout) (all []at) {
	for off := from; off+int64(l.Size()) <= to; off += int64(l.Size()) {
		all = append(all, at{l, off})
	}
	return all
}
