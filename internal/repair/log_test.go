// SPDX-License-Identifier: BSD-2-Clause

package repair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

func TestLog(t *testing.T) {
	size := layout.Size()
	good := encode(t, layout, 0, 40)
	other := utmpx.Glibc400BE
	tests := []struct {
		name string
		b    []byte
		want string
		bad  bool
	}{
		{"right", good, string(good), false},
		{"empty", nil, "", false},
		{"torn at the end", append(slices.Clone(good), good[:100]...), string(good), true},
		{"torn within", slices.Insert(slices.Clone(good), 20*size, good[:100]...), string(good), true},
		{"cut off at the beginning", good[100:], string(good[size:]), true},
		{"zeros within", slices.Insert(slices.Clone(good), 20*size, make([]byte, 2*size)...), string(good), true},
		{"zeros at the end", append(slices.Clone(good), make([]byte, 5000)...), string(good), true},
		{"records of another system", slices.Concat(good[:20*size], encode(t, other, 20, 23), good[23*size:]), string(good), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := write(t, "wtmp", tt.b)
			then := time.Unix(start+500, 123456000)
			if err := os.Chtimes(name, then, then); err != nil {
				t.Fatal(err)
			}
			dry := options
			dry.DryRun = true
			r, err := Log(t.Context(), name, dry)
			if err != nil || r.Right() == tt.bad || content(t, name) != string(tt.b) || len(names(t, name)) > 0 {
				t.Errorf("dry run: %+v, %v, %v", r, err, names(t, name))
			}
			r, err = Log(t.Context(), name, options)
			if err != nil || r.Right() == tt.bad || content(t, name) != tt.want {
				t.Fatalf("%+v, %v; %d bytes, want %d", r, err, len(content(t, name)), len(tt.want))
			}
			info, err := os.Stat(name)
			if err != nil || info.Mode().Perm() != 0o640 || !info.ModTime().Equal(then) {
				t.Errorf("%v %v, %v", info.Mode(), info.ModTime(), err)
			}
			old := backups(t, name)
			if (len(old) == 1) != tt.bad || tt.bad && (old[0] != r.Backup || content(t, old[0]) != string(tt.b)) {
				t.Errorf("backups %v, reported %q", old, r.Backup)
			}
			if tt.bad {
				if info, err := os.Stat(r.Backup); err != nil || !info.ModTime().Equal(then) {
					t.Errorf("the backup's time: %v, %v", info.ModTime(), err)
				}
			}
			if r, err = Log(t.Context(), name, options); err != nil || !r.Right() || content(t, name) != tt.want {
				t.Errorf("again: %+v, %v", r, err)
			}
		})
	}
}

// TestLogRefused: what cannot be repaired stays as it is.
func TestLogRefused(t *testing.T) {
	damaged := append(encode(t, layout, 0, 9), 1, 2, 3)
	t.Run("compressed", func(t *testing.T) {
		b := []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		name := write(t, "wtmp.1.gz", b)
		if _, err := Log(t.Context(), name, options); !errors.Is(err, ErrCompressed) || content(t, name) != string(b) {
			t.Error(err)
		}
	})
	t.Run("something else", func(t *testing.T) {
		b := []byte(strings.Repeat("nonsense", 1000))
		name := write(t, "wtmp", b)
		if _, err := Log(t.Context(), name, options); !errors.Is(err, recfile.ErrLayout) || content(t, name) != string(b) {
			t.Error(err)
		}
	})
	t.Run("locked", func(t *testing.T) {
		name := write(t, "wtmp", damaged)
		h, _, err := recfile.Hold(t.Context(), sysfile.Kernel(), name, sysfile.AppendOnly)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		o := options
		o.Patience = 10 * time.Millisecond
		if _, err := Log(t.Context(), name, o); !errors.Is(err, sysfile.ErrLocked) || content(t, name) != string(damaged) || len(names(t, name)) > 0 {
			t.Error(err, names(t, name))
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		name := write(t, "wtmp", damaged)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Log(ctx, name, options); !errors.Is(err, context.Canceled) || content(t, name) != string(damaged) || len(names(t, name)) > 0 {
			t.Error(err, names(t, name))
		}
	})
}

// TestLogBackups: each repair keeps its own old file.
func TestLogBackups(t *testing.T) {
	name := write(t, "wtmp", nil)
	for n := range 3 {
		b := append(encode(t, layout, 0, 9), make([]byte, n+1)...)
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Log(t.Context(), name, options); err != nil {
			t.Fatal(err)
		}
	}
	if old := backups(t, name); len(old) != 3 {
		t.Error(old)
	}
}

// TestLogLate: a writer that had opened the file before it was replaced, and writes
// afterwards, loses nothing. It is the one that libc is: it waits for the lock of what
// it opened.
func TestLogLate(t *testing.T) {
	good := encode(t, layout, 0, 9)
	name := write(t, "wtmp", append(slices.Clone(good), good[:100]...))
	late, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	before, err := late.Stat()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		for { // until the file has been replaced
			if now, err := os.Stat(name); err != nil || !os.SameFile(now, before) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		_, err := late.Write(encode(t, layout, 9, 11))
		done <- errors.Join(err, late.Close())
	}()
	r, err := Log(t.Context(), name, options)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	if want := string(encode(t, layout, 0, 11)); content(t, name) != want || r.Late != 2 || r.Writers {
		t.Errorf("%+v; %d bytes, want %d", r, len(content(t, name)), len(want))
	}
	backups(t, name)
}

// TestLogOpen: a program that keeps the old file open is reported, and what it writes
// later is in the backup.
func TestLogOpen(t *testing.T) {
	name := write(t, "wtmp", append(encode(t, layout, 0, 9), 1, 2, 3))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := options
	o.Late = 20 * time.Millisecond
	r, err := Log(t.Context(), name, o)
	if err != nil || !r.Writers || r.Backup == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	if n := len(content(t, r.Backup)); n%layout.Size() != 0 {
		t.Errorf("what it writes would stand at byte %d", n)
	}
}

// TestLogUnfinished: a repair that was killed after it had replaced the file is ended by
// the next, and what it had taken along is not taken again.
func TestLogUnfinished(t *testing.T) {
	good := encode(t, layout, 0, 9)
	late := encode(t, layout, 9, 12)
	name := write(t, "wtmp", append(slices.Clone(good), late[:layout.Size()]...)) // one was taken along
	old := unfinishedName(name, int64(len(good)), int64(len(good)), options.Now)
	if err := os.WriteFile(old, append(slices.Clone(good), late...), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Log(t.Context(), name, options)
	if err != nil || r.Finished != 2 || content(t, name) != string(good)+string(late) {
		t.Errorf("%+v, %v", r, err)
	}
	if old := backups(t, name); len(old) != 1 {
		t.Error(old)
	}
	if r, err = Log(t.Context(), name, options); err != nil || r.Finished != 0 {
		t.Errorf("again: %+v, %v", r, err)
	}
}

// TestRandomDamage: the records of the repaired file are those that package logs reads from
// the damaged one. What stood between damage may look different without it, so a file of few
// records can need another repair; it needs few.
func TestRandomDamage(t *testing.T) {
	good := encode(t, layout, 0, 12)
	mixed := append(slices.Clone(good), encode(t, utmpx.Glibc400LE, 0, 9)...)
	files := uint64(200)
	if testing.Short() {
		files = 50
	}
	for n := range files {
		r := rand.New(rand.NewPCG(n, 1))
		b := good
		if n%4 == 0 {
			b = mixed
		}
		at := r.IntN(len(b))
		put := make([]byte, r.IntN(700))
		for i := range put {
			if n%3 != 0 {
				put[i] = byte(r.Uint32() >> (r.IntN(3) * 8))
			}
		}
		damaged := slices.Concat(b[:at], put, b[min(len(b), at+r.IntN(900)):])
		t.Run(fmt.Sprint(n), func(t *testing.T) { repairs(t, damaged) })
	}
}

// TestAgain: a new file that is damaged is to be repaired again, a part of a record at its end
// is a writer's at work.
func TestAgain(t *testing.T) {
	good := encode(t, layout, 0, 12)
	for name, c := range map[string]struct {
		content []byte
		want    bool
	}{
		"right":          {good, false},
		"a part":         {good[:len(good)-100], false},
		"damaged":        {slices.Concat(good[:1000], good[1100:]), true},
		"nothing in it":  {bytes.Repeat([]byte("nothing "), 400), true},
		"another layout": {append(slices.Clone(good), encode(t, utmpx.Glibc400LE, 0, 9)...), true},
	} {
		if got := again(t.Context(), write(t, "wtmp", c.content)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// repairs repairs a log with that content.
func repairs(t *testing.T, b []byte) {
	t.Helper()
	name := write(t, "wtmp", b)
	r, err := Log(t.Context(), name, options)
	got := content(t, name)
	if err != nil || r.Backup == "" {
		if got != string(b) {
			t.Fatalf("%+v, %v, and the file was changed", r, err)
		}
		return
	}
	want, _, err := recordsOf(t, write(t, "was", b), r.Layout)
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.Join(want, "") {
		t.Errorf("%d bytes, want %d records: %+v", len(got), len(want), r)
	}
	again := r
	for range 5 {
		needed := again.Again
		if again, err = Log(t.Context(), name, options); err != nil {
			t.Fatal(err)
		}
		if again.Right() == needed {
			t.Errorf("another repair is needed: %v, but %+v", needed, again)
		}
		if again.Right() {
			return
		}
	}
	t.Errorf("the file is still to be repaired: %+v, after %+v", again, r)
}
