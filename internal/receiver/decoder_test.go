// SPDX-License-Identifier: BSD-2-Clause

package receiver

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// message returns the bytes of a message, valid or not.
func message(command, pid int32) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(command))
	return binary.NativeEndian.AppendUint32(b, uint32(pid))
}

// decode decodes b, split into pieces of size bytes.
func decode(b []byte, size int) ([]Request, decoder) {
	var d decoder
	var requests []Request
	for piece := range slices.Chunk(b, size) {
		d.feed(piece, func(r Request) { requests = append(requests, r) })
	}
	return requests, d
}

func TestDecoder(t *testing.T) {
	junk := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for _, test := range []struct {
		name  string
		bytes []byte
		want  []Request
		stats Stats
		rest  int
	}{
		{name: "nothing"},
		{"add and remove", slices.Concat(message(1, 77), message(2, 78)),
			[]Request{{Add, 77}, {Remove, 78}}, Stats{Requests: 2}, 0},
		{"the least and the largest pid", slices.Concat(message(1, 1), message(2, 4194304)),
			[]Request{{Add, 1}, {Remove, 4194304}}, Stats{Requests: 2}, 0},
		{"half a message", message(1, 77)[:5], nil, Stats{}, 5},
		{"a message and a half", slices.Concat(message(1, 77), message(1, 78)[:3]),
			[]Request{{Add, 77}}, Stats{Requests: 1}, 3},
		{"wrong command", slices.Concat(message(-1, 0x70707070), message(1, 77)),
			[]Request{{Add, 77}}, Stats{Requests: 1, BadCommands: 1, Skipped: 8}, 0},
		{"wrong pid", slices.Concat(message(1, -1), message(1, 77)),
			[]Request{{Add, 77}}, Stats{Requests: 1, BadPIDs: 1, Skipped: 8}, 0},
		{"pid 0", slices.Concat(message(2, 0), message(-1, -1), message(1, 77)),
			[]Request{{Add, 77}}, Stats{Requests: 1, BadCommands: 1, BadPIDs: 1, Skipped: 16}, 0},
		{"pid too large", slices.Concat(message(2, 4194305), message(-1, -1), message(1, 77)),
			[]Request{{Add, 77}}, Stats{Requests: 1, BadCommands: 1, BadPIDs: 1, Skipped: 16}, 0},
		{"pid least", message(1, math.MinInt32),
			nil, Stats{BadPIDs: 1, Skipped: 1}, 7},
		{"junk of 3 bytes before", slices.Concat(junk[:3], message(1, 77), message(2, 78)),
			[]Request{{Add, 77}, {Remove, 78}}, Stats{Requests: 2, BadCommands: 1, Skipped: 3}, 0},
		{"junk of 9 bytes before", slices.Concat(junk, message(1, 77)),
			[]Request{{Add, 77}}, Stats{Requests: 1, BadCommands: 2, Skipped: 9}, 0},
		{"junk between", slices.Concat(message(1, 77), junk[:1], message(2, 78)),
			[]Request{{Add, 77}, {Remove, 78}}, Stats{Requests: 2, BadCommands: 1, Skipped: 1}, 0},
		{"junk at the end", slices.Concat(message(1, 77), junk),
			[]Request{{Add, 77}}, Stats{Requests: 1, BadCommands: 1, Skipped: 2}, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 7, 8, 9, 4096} {
				got, d := decode(test.bytes, size)
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("in pieces of %d (-want +got):\n%s", size, diff)
				}
				if diff := cmp.Diff(test.stats, d.stats); diff != "" {
					t.Errorf("in pieces of %d: stats (-want +got):\n%s", size, diff)
				}
				if d.n != test.rest {
					t.Errorf("in pieces of %d: %d bytes left, want %d", size, d.n, test.rest)
				}
			}
		})
	}
}

// FuzzDecoder checks that the result does not depend on how the bytes are split,
// that each request is valid, and that each byte is counted.
func FuzzDecoder(f *testing.F) {
	f.Add(slices.Concat(message(1, 77), message(2, 78), message(7, 7)), uint8(3))
	f.Add(slices.Concat([]byte{1}, message(1, 77), message(1, 0), message(2, -1)), uint8(8))
	f.Add(slices.Concat(message(1, 1)[:7], message(1, 77)), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		whole, d := decode(b, max(len(b), 1))
		pieces, e := decode(b, max(int(size), 1))
		if !slices.Equal(whole, pieces) {
			t.Errorf("in pieces of %d (-whole +pieces):\n%s", size, cmp.Diff(whole, pieces))
		}
		clear(d.rest[d.n:]) // the bytes after the first n are undefined
		clear(e.rest[e.n:])
		if d != e {
			t.Errorf("in pieces of %d: %+v, whole %+v", size, e, d)
		}
		for _, r := range whole {
			if r.Command != Add && r.Command != Remove || r.PID < 1 || r.PID > maxPID {
				t.Errorf("invalid request %+v", r)
			}
		}
		if n := d.stats.Requests*messageSize + d.stats.Skipped + uint64(d.n); n != uint64(len(b)) {
			t.Errorf("%d of %d bytes counted", n, len(b))
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	stream := slices.Repeat(message(1, 77), batchSize)
	b.SetBytes(int64(len(stream)))
	var d decoder
	for b.Loop() {
		d.feed(stream, func(Request) {})
	}
}
