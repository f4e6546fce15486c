// SPDX-License-Identifier: BSD-2-Clause

package repair

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

func TestTable(t *testing.T) {
	size := layout.Size()
	good := encode(t, layout, 0, 9)
	free := string(ended(layout, options))
	typed := func(slot int, typ byte) []byte {
		b := slices.Clone(good)
		b[slot*size], b[slot*size+1] = typ, typ
		return b
	}
	s := string(good)
	tests := []struct {
		name string
		b    []byte
		want string
	}{
		{"right", good, s},
		{"empty", nil, ""},
		{"an empty slot", slices.Concat(good[:size], make([]byte, size), good[2*size:]), s[:size] + strings.Repeat("\x00", size) + s[2*size:]},
		{"no type", typed(3, 77), s[:3*size] + free + s[4*size:]},
		{"torn at the end", append(slices.Clone(good), good[:50]...), s},
		{"shifted by a torn one", slices.Concat(good[:3*size], []byte("torn"), good[3*size:]), s},
		{"a slot torn, and the rest before its place", slices.Concat(good[:3*size], good[3*size:4*size-9], good[4*size:]), s[:3*size] + s[4*size:]},
		{"of another system", slices.Concat(good[:3*size], encode(t, utmpx.Glibc400BE, 3, 4), good[4*size:]), s},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := write(t, "utmp", tt.b)
			before, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Table(t.Context(), name, options)
			if err != nil {
				t.Fatal(err)
			}
			got := content(t, name)
			if got != tt.want {
				t.Errorf("%+v: %d bytes, want %d", r, len(got), len(tt.want))
				for i := 0; i+size <= min(len(got), len(tt.want)); i += size {
					if got[i:i+size] != tt.want[i:i+size] {
						t.Errorf("slot %d: %v", i/size, layout.Decode(got[i:i+size]))
					}
				}
			}
			if now, err := os.Stat(name); err != nil || !os.SameFile(now, before) {
				t.Errorf("another file: %v", err)
			}
			bad := tt.want != string(tt.b)
			if old := backups(t, name); (len(old) == 1) != bad || bad && content(t, old[0]) != string(tt.b) {
				t.Errorf("backups: %v", old)
			}
			if r, err = Table(t.Context(), name, options); err != nil || !r.Right() || content(t, name) != got {
				t.Errorf("again: %+v, %v", r, err)
			}
		})
	}
}

// TestTableKeeps: whatever else is in it, a record with a type stays, byte for byte: its
// session may live.
func TestTableKeeps(t *testing.T) {
	size := layout.Size()
	b := encode(t, layout, 0, 9)
	copy(b[3*size+76:], "\x1b[31m\xff\x00\x00x")
	b[4*size+5] = 0xff // the pid
	was := string(b)
	name := write(t, "utmp", append(b, 1))
	if _, err := Table(t.Context(), name, options); err != nil || content(t, name) != was {
		t.Error(err)
	}
}

// FuzzTable: slots that hold records stay, and a repaired file is right.
func FuzzTable(f *testing.F) {
	good := encode(f, layout, 0, 6)
	f.Add(good, uint16(400), uint16(0), []byte("abc"))
	f.Add(good, uint16(384), uint16(100), []byte{})
	f.Add(good, uint16(800), uint16(384), []byte{})
	f.Fuzz(func(t *testing.T, b []byte, off, cut uint16, put []byte) {
		at := min(int(off), len(b))
		b = slices.Concat(b[:at], put, b[min(len(b), at+int(cut)):])
		name := write(t, "utmp", b)
		r, err := Table(t.Context(), name, options)
		if err != nil {
			if content(t, name) != string(b) {
				t.Fatalf("%v, and the file was changed", err)
			}
			return
		}
		got := content(t, name)
		if again, err := Table(t.Context(), name, options); err != nil || content(t, name) != got {
			t.Errorf("again: %+v, %v, after %+v", again, err, r)
		}
		if r.Backup != "" && content(t, r.Backup) != string(b) {
			t.Error("the backup is not the old file")
		}
	})
}

// TestTableFewRecords: a file of which little is left is repaired so that it stays right, or
// is not changed.
func TestTableFewRecords(t *testing.T) {
	all, files := utmpx.Layouts(), uint64(1000)
	if testing.Short() {
		files = 150
	}
	for n := range files {
		r := rand.New(rand.NewPCG(n, 1))
		var b []byte
		for range 1 + r.IntN(2) {
			b = append(b, encode(t, all[r.IntN(len(all))], 0, 1)...)
			put := make([]byte, r.IntN(60))
			for i := range put {
				put[i] = byte(r.Uint32()) & byte(-r.IntN(2))
			}
			at := r.IntN(len(b))
			b = slices.Concat(b[:at], put, b[min(len(b), at+r.IntN(40)):])
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) { stays(t, b) })
	}
}

// stays repairs a utmpx file with that content twice.
func stays(t *testing.T, b []byte) {
	t.Helper()
	name := write(t, "utmp", b)
	r, err := Table(t.Context(), name, options)
	got := content(t, name)
	if err != nil {
		if got != string(b) {
			t.Fatalf("%v, and the file was changed", err)
		}
		return
	}
	if again, err := Table(t.Context(), name, options); err != nil || content(t, name) != got || !again.Right() {
		t.Errorf("again: %+v, %v, after %+v", again, err, r)
	}
}
