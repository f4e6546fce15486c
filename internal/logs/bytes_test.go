// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"bytes"
	"compress/gzip"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"utmpd.dev/utmpd/internal/logs"
)

// TestBytes: the bytes are there at any offset, in any order, compressed or not.
func TestBytes(t *testing.T) {
	want := raw(t, layout, numbered(20_000)...)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"wtmp": want, "wtmp.1.gz": packed.Bytes()} {
		t.Run(name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := logs.New(name, logs.Options{}).Open(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			b := f.Reuse().Bytes()
			defer b.Close()
			rng := rand.New(rand.NewPCG(1, 1))
			p := make([]byte, 1<<20)
			for range 40 {
				p := p[:rng.IntN(len(p))]
				off := rng.IntN(len(want) - len(p))
				if n, err := b.ReadAt(p, int64(off)); err != nil || n != len(p) || !bytes.Equal(p, want[off:off+n]) {
					t.Fatalf("%d bytes at %d: %d, %v", len(p), off, n, err)
				}
			}
			if n, err := b.ReadAt(p[:10], int64(len(want)-5)); err == nil {
				t.Errorf("%d bytes at the end, and no error", n)
			}
		})
	}
}
