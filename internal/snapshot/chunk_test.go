// SPDX-License-Identifier: BSD-2-Clause

package snapshot

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// holed returns n records of size bytes with runs of zeros of every length, also from the
// first byte and up to the last.
func holed(rng *rand.Rand, n, size int) []byte {
	b := make([]byte, n*size)
	for i := 0; i < len(b); {
		run := rng.IntN(2*minRun + 2)
		if rng.IntN(4) == 0 {
			run = rng.IntN(2 * size)
		}
		if rng.IntN(2) == 0 {
			for j := i; j < min(i+run, len(b)); j++ {
				b[j] = byte(1 + rng.IntN(255))
			}
		}
		i += run
	}
	return b
}

// TestChunk: a chunk gives back what it was made of, knows it again, and nothing else.
func TestChunk(t *testing.T) {
	for _, l := range utmpx.Layouts() {
		rng := rand.New(rand.NewPCG(1, uint64(l.Size())))
		var buf []byte
		for range 300 {
			n := 1 + rng.IntN(chunkRecords)
			data := holed(rng, n, l.Size())
			var c *chunk
			c, buf = newChunk(data, l.Size(), buf)
			for i := range n {
				if c.raw(i) != string(data[i*l.Size():(i+1)*l.Size()]) {
					t.Fatalf("%s: record %d of %x is %x", l, i, data, c.raw(i))
				}
			}
			if c.all() != string(data) || !c.is(data) {
				t.Fatalf("%s: %x is not %x", l, c.all(), data)
			}
			part := rng.IntN(len(data) + 1)
			if !c.begins(data[:part]) || c.is(data[:part]) != (part == len(data)) {
				t.Fatalf("%s: does not begin as it does, with %d bytes", l, part)
			}
			if c.begins(append(bytes.Clone(data), 0)) {
				t.Fatalf("%s: begins with more than it is", l)
			}
			at := rng.IntN(len(data))
			other := bytes.Clone(data)
			other[at] ^= byte(1 << rng.IntN(8))
			if c.is(other) || c.begins(other[:at+1]) || !c.begins(other[:at]) {
				t.Fatalf("%s: byte %d of %x can be another", l, at, data)
			}
			if d, _ := newChunk(other, l.Size(), nil); d.data == c.data {
				t.Fatalf("%s: byte %d of %x is packed as another", l, at, data)
			}
		}
	}
}

// TestUsualLoginsAreSmall: that is what the packing is for.
func TestUsualLoginsAreSmall(t *testing.T) {
	l := utmpx.Native()
	b, err := l.Encode(utmpx.Record{
		Type: utmpx.UserProcess, PID: 123456, Line: "pts/1234", ID: "1234", User: "nicole.b", Host: "client-17.example.org",
		Time: utmpx.Time{Sec: 1_780_000_000, Usec: 123456}, Addr: [16]byte{192, 0, 2, 17},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := newChunk(b, l.Size(), nil); len(c.data) > 100 {
		t.Errorf("a login takes %d bytes", len(c.data))
	}
}
