package heartbeat

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var noteTime = time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)

func TestNoteText(t *testing.T) {
	tests := []struct {
		name string
		note Note
		want string
	}{
		{"running", Note{"b1", noteTime, false}, "utmpd-heartbeat 1\nboot \"b1\"\ntime 2026-01-02T03:04:05.6Z\nstate running\n"},
		{"clean", Note{"", noteTime, true}, "utmpd-heartbeat 1\nboot \"\"\ntime 2026-01-02T03:04:05.6Z\nstate clean\n"},
		{"any bytes", Note{"a\n\xff", noteTime, true}, "utmpd-heartbeat 1\nboot \"a\\n\\xff\"\ntime 2026-01-02T03:04:05.6Z\nstate clean\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.note.MarshalText()
			if err != nil {
				t.Fatal(err)
			}
			want(t, "text", tt.want, string(b))
			var n Note
			if err := n.UnmarshalText(b); err != nil {
				t.Fatal(err)
			}
			want(t, "note", tt.note, n)
		})
	}
}

func TestNoteOutOfRange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heartbeat")
	for _, n := range []Note{
		{BootID: strings.Repeat("a", 257)},
		{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if err := WriteNote(path, n); err == nil {
			t.Errorf("wrote %v", n)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file: %v", err)
	}
}

func TestReadNote(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if err := WriteNote(good, Note{BootID: "b", Time: noteTime}); err != nil {
		t.Fatal(err)
	}
	text := func(s string) func(string) error {
		return func(p string) error { return os.WriteFile(p, []byte(s), 0o600) }
	}
	tests := []struct {
		name string
		make func(path string) error
		want error // nil: some error
	}{
		{"missing", func(string) error { return nil }, fs.ErrNotExist},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, ErrCorrupt},
		{"pipe", func(p string) error { return unix.Mkfifo(p, 0o600) }, ErrCorrupt},
		{"symbolic link", func(p string) error { return os.Symlink(good, p) }, nil},
		{"empty", text(""), ErrCorrupt},
		{"cut", text("utmpd-heartbeat 1\nboot \"b\"\ntime 2026-"), ErrCorrupt},
		{"version", text("utmpd-heartbeat 2\nboot \"b\"\ntime 2026-01-02T03:04:05Z\nstate clean\n"), ErrCorrupt},
		{"state", text("utmpd-heartbeat 1\nboot \"b\"\ntime 2026-01-02T03:04:05Z\nstate fine\n"), ErrCorrupt},
		{"boot", text("utmpd-heartbeat 1\nboot b\ntime 2026-01-02T03:04:05Z\nstate clean\n"), ErrCorrupt},
		{"time", text("utmpd-heartbeat 1\nboot \"b\"\ntime now\nstate clean\n"), ErrCorrupt},
		{"large", text(strings.Repeat("x", 1<<20)), ErrCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, tt.name)
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			_, err := ReadNote(path)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %v with the path", err, tt.want)
			}
		})
	}
}

func TestWriteNoteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "heartbeat")
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, path+".new"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := WriteNote(path, Note{Time: noteTime}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(victim)
	if err != nil || string(b) != "mine" {
		t.Errorf("wrote through a link: %q, %v", b, err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 1 {
		t.Errorf("files: %v, %v", names, err)
	}
}

// FuzzNote states: no bytes make it panic, and what parses marshals back to the
// same bytes.
func FuzzNote(f *testing.F) {
	b, err := Note{"b\x00", noteTime, true}.MarshalText()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, in []byte) {
		var n Note
		if n.UnmarshalText(in) != nil {
			return
		}
		out, err := n.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		want(t, "text", string(in), string(out))
	})
}
