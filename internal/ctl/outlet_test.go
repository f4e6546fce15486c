// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestOutletPieces: pieces of any size are written as wholes, in their order, however their
// memory is used afterwards.
func TestOutletPieces(t *testing.T) {
	for _, most := range []int{1, 100, 4096} {
		var got pieces
		o := call{ctx: t.Context(), stdout: &got}.outlet(most)
		r := rand.New(rand.NewPCG(1, uint64(most)))
		var want, piece []byte
		starts := map[int]bool{}
		for i := range 500 {
			n := r.IntN(most)
			if i%7 == 0 {
				n = most + r.IntN(2*most)
			}
			piece = piece[:0]
			for range n {
				piece = append(piece, byte('a'+i%26))
			}
			starts[len(want)] = true
			want = append(want, piece...)
			if err := o.add(piece); err != nil {
				t.Fatal(err)
			}
			clear(piece)
		}
		if err := o.flush(); err != nil {
			t.Fatal(err)
		}
		o.close()
		if !bytes.Equal(got.all, want) {
			t.Errorf("at most %d: %d bytes are written, not the %d that were added", most, len(got.all), len(want))
		}
		for _, at := range got.starts {
			if !starts[at] {
				t.Errorf("at most %d: a write begins at %d, within a piece", most, at)
			}
		}
		if o.taken != 500 {
			t.Errorf("at most %d: %d pieces were taken", most, o.taken)
		}
	}
}

// pieces keeps what is written, and where each write began.
type pieces struct {
	all    []byte
	starts []int
}

func (w *pieces) Write(b []byte) (int, error) {
	w.starts = append(w.starts, len(w.all))
	w.all = append(w.all, b...)
	return len(b), nil
}

// TestOutletFile: what is written to a file is the same, and that it fails is told.
func TestOutletFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := call{ctx: t.Context(), stdout: f}
	o := c.outlet(c.writeSize())
	defer o.close()
	var want []byte
	for n := range 2000 {
		piece := bytes.Repeat([]byte{byte('a' + n%26)}, n)
		want = append(want, piece...)
		if err := o.add(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.flush(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes are written, not the %d that were added: %v", len(got), len(want), err)
	}
	if f.Close(); o.add(want) == nil && o.flush() == nil {
		t.Error("no error from a file that is closed")
	}
}
