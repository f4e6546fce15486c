// SPDX-License-Identifier: BSD-2-Clause

package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/filelock"
)

var day = time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)

// nth is the n-th boot of a machine that boots once a day.
func nth(n int) boots.Past {
	from := day.AddDate(0, 0, n)
	return boots.Past{Boot: fmt.Sprint("b", n), From: from, To: from.Add(time.Hour), Up: time.Hour, Slept: time.Minute,
		End: boots.Crashed, Exact: boots.Exactness{Known: true, Within: time.Minute}, By: boots.FromHeartbeat}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// holds reads a ledger and compares it.
func holds(t *testing.T, path string, want ...boots.Past) {
	t.Helper()
	got, err := Read(path)
	check(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLines(t *testing.T) {
	tests := []struct {
		name string
		past boots.Past
		want string
	}{
		{"crash", nth(0), "5da64f66 \"b0\" 2026-07-01T08:00:00Z 2026-07-01T09:00:00Z crash 1m0s heartbeat 1h0m0s 1m0s\n"},
		{"shutdown", boots.Past{Boot: "b", From: day, To: day.Add(time.Hour), End: boots.ShutDown, Exact: boots.Exactness{Known: true}},
			"b23d1178 \"b\" 2026-07-01T08:00:00Z 2026-07-01T09:00:00Z shutdown 0s - 0s 0s\n"},
		{"hardly known", boots.Past{Boot: "a \n\xff", To: day, End: boots.Crashed, By: boots.FromRecords},
			"f11bb8f4 \"a \\n\\xff\" - 2026-07-01T08:00:00Z crash ? last-record 0s 0s\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			line := string(appendLine(nil, tt.past))
			if diff := cmp.Diff(tt.want, line); diff != "" {
				t.Errorf("line (-want +got)\n%s", diff)
			}
			got, err := parseLine(line)
			check(t, err)
			if diff := cmp.Diff(tt.past, got); diff != "" {
				t.Errorf("past (-want +got)\n%s", diff)
			}
		})
	}
}

func TestAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	check(t, Append(t.Context(), path))
	if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing to append, but %v", err)
	}
	check(t, Append(t.Context(), path, nth(0)))
	check(t, Append(t.Context(), path, nth(0), nth(1)))
	holds(t, path, nth(0), nth(1))
}

// TestBounded: of many boots the last ones stay.
func TestBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	for n := 0; n < 2*Max; n += 50 {
		var ps []boots.Past
		for i := range 50 {
			ps = append(ps, nth(n+i))
		}
		check(t, Append(t.Context(), path, ps...))
	}
	got, err := Read(path)
	check(t, err)
	if n := len(got); n < Max || n > Max+slack || got[n-1].Boot != fmt.Sprint("b", 2*Max-1) {
		t.Errorf("%d boots, the last is %v", n, got[n-1])
	}
}

// TestDamaged: a damaged line is told and skipped, and gone once a boot is added.
func TestDamaged(t *testing.T) {
	whole := appendLine(appendLine(nil, nth(0)), nth(1))
	for name, damage := range map[string]func([]byte) []byte{
		"torn": func(b []byte) []byte { return append(b, b[:20]...) },
		"NULs": func(b []byte) []byte { return append(b, make([]byte, 100)...) },
		"changed": func(b []byte) []byte {
			return append(b, bytes.Replace(appendLine(nil, nth(2)), []byte("T09:"), []byte("T19:"), 1)...)
		},
		"foreign line": func(b []byte) []byte { return append([]byte("hello\n"), b...) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), File)
			check(t, os.WriteFile(path, damage(bytes.Clone(whole)), 0o644))
			got, err := Read(path)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path+": 1 damaged") || len(got) != 2 {
				t.Errorf("%d boots, error %v", len(got), err)
			}
			check(t, Append(t.Context(), path, nth(3)))
			holds(t, path, nth(0), nth(1), nth(3))
		})
	}
}

// TestEveryCut: a file cut anywhere, as by a power failure, has the boots before the
// cut.
func TestEveryCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	one := len(appendLine(nil, nth(0)))
	whole := appendLine(appendLine(nil, nth(0)), nth(1))
	for n := range whole {
		got, _ := parse(whole[:n])
		if len(got) != n/one {
			t.Errorf("cut at %d: %d boots, want %d", n, len(got), n/one)
		}
		check(t, os.WriteFile(path, whole[:n], 0o644))
		check(t, Append(t.Context(), path, nth(0), nth(1), nth(2)))
		holds(t, path, nth(0), nth(1), nth(2))
	}
}

// TestTogether: of many that append one boot at once, one does, also while the file
// is replaced.
func TestTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	check(t, os.WriteFile(path, []byte("damaged\n"), 0o644))
	var runs sync.WaitGroup
	for i := range 20 {
		runs.Go(func() {
			if err := Append(t.Context(), path, nth(i%2)); err != nil {
				t.Error(err)
			}
		})
	}
	runs.Wait()
	b, err := os.ReadFile(path)
	check(t, err)
	if n := bytes.Count(b, []byte("\n")); n != 2 {
		t.Errorf("%d lines:\n%s", n, b)
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	for name, make := range map[string]func(string) error{
		"directory":     func(p string) error { return os.Mkdir(p, 0o700) },
		"pipe":          func(p string) error { return unix.Mkfifo(p, 0o600) },
		"symbolic link": func(p string) error { return os.Symlink(filepath.Join(dir, "elsewhere"), p) },
	} {
		path := filepath.Join(dir, name)
		check(t, make(path))
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("read %s: %v", name, err)
		}
		if err := Append(t.Context(), path, nth(0)); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("append to %s: %v", name, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "elsewhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the link was followed: %v", err)
	}
}

// TestLocked: while another process holds the lock, Append waits no longer than it may.
func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	check(t, Append(t.Context(), path, nth(0)))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	check(t, err)
	defer f.Close()
	check(t, filelock.Try(f))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Append(ctx, path, nth(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	holds(t, path, nth(0))
}

// FuzzLine checks that no line panics, and that a line which can be parsed is written
// as the same bytes.
func FuzzLine(f *testing.F) {
	f.Add(string(appendLine(nil, nth(0))))
	f.Fuzz(func(t *testing.T, line string) {
		p, err := parseLine(line)
		if err != nil {
			return
		}
		if again := string(appendLine(nil, p)); again != line {
			t.Errorf("%q became %q", line, again)
		}
	})
}
