// SPDX-License-Identifier: BSD-2-Clause

package grid_test

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

var damaged = flag.Int("grid.n", 2000, "how many damaged files are made up for TestNoEmpty")

// TestEmpty: a record of the type EMPTY with all that a session's has is a whole record, also
// where a log has no others. Less than that is what a block of NULs or text leaves.
func TestEmpty(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 1))
	tests := []struct {
		name  string
		do    func(r *utmpx.Record)
		whole bool
	}{
		{"a session's", func(*utmpx.Record) {}, true},
		{"without a user", func(r *utmpx.Record) { r.User = "" }, false},
		{"without a line", func(r *utmpx.Record) { r.Line = "" }, false},
		{"without a process", func(r *utmpx.Record) { r.PID = 0 }, false},
		{"of no process", func(r *utmpx.Record) { r.PID = -5 }, false},
		{"of a process that cannot be", func(r *utmpx.Record) { r.PID = 1 << 29 }, false},
		{"without a time", func(r *utmpx.Record) { r.Time = utmpx.Time{} }, false},
		{"of 1970", func(r *utmpx.Record) { r.Time.Sec = 5000 }, false},
		{"with a control character", func(r *utmpx.Record) { r.User = "al\aice" }, false},
		{"with an exit status", func(r *utmpx.Record) { r.Exit.Exit = 1 }, false},
		{"without an ID", func(r *utmpx.Record) { r.ID = "" }, true},
		{"with the ID of another line", func(r *utmpx.Record) { r.ID = "6.1." }, false},
		{"of the system", func(r *utmpx.Record) { r.Line, r.User = "~", "reboot" }, false},
	}
	for _, tt := range tests {
		for _, l := range utmpx.Layouts() {
			recs := day(rng, 20)
			r := recs[11]
			r.Type, r.Line, r.ID = utmpx.Empty, "pts/12", "s/12"
			tt.do(&r)
			recs[11] = r
			size := int64(l.Size())
			b := encode(t, l, recs...)
			got, bad := read(t, b, l, chunk)
			if found := slices.Contains(got, at{l, 11 * size}); found != tt.whole || len(got) < 19 {
				t.Errorf("%s, %s: %d records, damage %v; it is a record: %v, want %v", tt.name, l, len(got), bad, found, tt.whole)
			}
			alone := encode(t, l, r, r, r)
			if got, _ := read(t, alone, l, chunk); tt.whole != (len(got) == 3) {
				t.Errorf("%s, %s, and no others: %d records", tt.name, l, len(got))
			}
		}
	}
}

// TestNoEmpty: whatever damages a log, no record of the type EMPTY is found in it but what is
// left of a record that lost its type.
func TestNoEmpty(t *testing.T) {
	n := *damaged
	if testing.Short() {
		n = 500
	}
	lost := 0
	for seed := range n {
		rng := rand.New(rand.NewPCG(uint64(seed), 11))
		l := utmpx.Layouts()[seed%len(utmpx.Layouts())]
		recs := day(rng, 30)
		for i := range recs {
			if rng.IntN(3) == 0 {
				recs[i].User = "a-user-with-a-long-name"[:1+rng.IntN(23)]
			}
			if recs[i].ID == "ts/1" {
				recs[i].ID = recs[i].Line[len(recs[i].Line)-4:]
			}
			if rng.IntN(3) == 0 {
				recs[i].PID = 1 + rng.Int32N(1<<15)
			}
		}
		b := encode(t, l, recs...)
		sessions := map[string]bool{}
		for i := 0; i < len(b); i += l.Size() {
			sessions[content(l, b[i:])] = true
		}
		for range 1 + rng.IntN(3) {
			b = damage(rng, b, l.Size())
		}
		got, _ := read(t, b, l, 5000)
		for _, r := range got {
			if typ, _, _ := r.layout.Peek(b[r.off:]); typ != utmpx.Empty {
				continue
			}
			if lost++; !sessions[content(r.layout, b[r.off:])] {
				t.Errorf("seed %d, %s: a record at %d: %v", seed, l, r.off, r.layout.Decode(string(b[r.off:r.off+int64(r.layout.Size())])))
			}
		}
	}
	t.Logf("%d files, %d records without their type", n, lost)
}

// content is what a record says of a session.
func content(l *utmpx.Layout, b []byte) string {
	r := l.Decode(string(b[:l.Size()]))
	return r.Line + "\x00" + r.User + "\x00" + r.Host + "\x00" + r.Time.Time().String()
}

// damage does something to a log. It puts no piece of a record into another one: nobody can
// tell, of whatever type.
func damage(rng *rand.Rand, b []byte, size int) []byte {
	at := rng.IntN(len(b))
	if rng.IntN(3) == 0 { // about a record's beginning
		at = max(0, min(len(b)-1, at/size*size+rng.IntN(80)-40))
	}
	n := min(1+rng.IntN([]int{8, 60, size, 5000}[rng.IntN(4)]), len(b)-at)
	switch rng.IntN(6) {
	case 0: // lost
		return slices.Delete(b, at, at+n)
	case 1:
		return slices.Insert(b, at, make([]byte, n)...)
	case 2:
		clear(b[at : at+n])
	case 3: // text, as of another file
		copy(b[at:at+n], bytes.Repeat([]byte("Nov 29 12:00:01 host sshd[1234]: Accepted\n"), n/40+1))
	case 4: // bytes of anything
		for i := range n {
			b[at+i] = byte(rng.Uint32() >> (8 * rng.IntN(4)))
		}
	case 5: // moved, and back again
		to := min(len(b)-n, at+rng.IntN(6*size))
		b = slices.Delete(b, at, at+n)
		return slices.Insert(b, min(to, len(b)), make([]byte, n)...)
	}
	return b
}
