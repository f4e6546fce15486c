// SPDX-License-Identifier: BSD-2-Clause

package heartbeat

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
		{"running", Note{BootID: "b1", Time: noteTime, Every: time.Minute, State: Running},
			"utmpd-heartbeat 3\nboot \"b1\"\ninit 0s\ntime 2026-01-02T03:04:05.6Z\nup 0s\nslept 0s\nevery 1m0s\nstate running\n"},
		{"with all clocks", Note{BootID: "b1", Init: 12340 * time.Millisecond, Time: noteTime, Up: time.Hour, Slept: time.Minute, Every: time.Minute,
			State: Running, Steps: []Step{{time.Minute, -time.Hour}, {2 * time.Minute, time.Second}}},
			"utmpd-heartbeat 3\nboot \"b1\"\ninit 12.34s\ntime 2026-01-02T03:04:05.6Z\nup 1h0m0s\nslept 1m0s\nevery 1m0s\nstate running\n" +
				"step 1m0s -1h0m0s\nstep 2m0s 1s\n"},
		{"stopped", Note{BootID: "b1", Time: noteTime, Every: time.Second, State: Stopped},
			"utmpd-heartbeat 3\nboot \"b1\"\ninit 0s\ntime 2026-01-02T03:04:05.6Z\nup 0s\nslept 0s\nevery 1s\nstate stopped\n"},
		{"shutdown", Note{Time: noteTime, State: Shutdown},
			"utmpd-heartbeat 3\nboot \"\"\ninit 0s\ntime 2026-01-02T03:04:05.6Z\nup 0s\nslept 0s\nevery 0s\nstate shutdown\n"},
		{"any bytes", Note{BootID: "a\n\xff", Time: noteTime, State: Shutdown},
			"utmpd-heartbeat 3\nboot \"a\\n\\xff\"\ninit 0s\ntime 2026-01-02T03:04:05.6Z\nup 0s\nslept 0s\nevery 0s\nstate shutdown\n"},
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

// TestOldNote reads a note of the version before.
func TestOldNote(t *testing.T) {
	const text = "utmpd-heartbeat 2\nboot \"b1\"\ntime 2026-01-02T03:04:05.6Z\nevery 1m0s\nstate running\n"
	var n Note
	if err := n.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	want(t, "note", Note{BootID: "b1", Time: noteTime, Every: time.Minute, State: Running}, n)
}

func TestNoteOutOfRange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heartbeat")
	for _, n := range []Note{
		{BootID: strings.Repeat("a", 257), State: Running},
		{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), State: Running},
		{Every: -1, State: Running},
		{Up: -1, State: Running},
		{State: Running, Steps: make([]Step, MaxSteps+1)},
		{State: "fine"},
		{},
	} {
		if err := WriteNote(path, n); err == nil {
			t.Errorf("WriteNote(%v) succeeded", n)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file: %v, want none", err)
	}
}

func TestReadNote(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if err := WriteNote(good, Note{BootID: "b", Time: noteTime, State: Running}); err != nil {
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
		{"cut", text("utmpd-heartbeat 2\nboot \"b\"\ntime 2026-"), ErrCorrupt},
		{"old, with a line of the new version", text("utmpd-heartbeat 2\nboot \"b\"\ntime 2026-01-02T03:04:05Z\nup 1h0m0s\nevery 1m0s\nstate stopped\n"), ErrCorrupt},
		{"version", text("utmpd-heartbeat 1\nboot \"b\"\ntime 2026-01-02T03:04:05Z\nevery 1m0s\nstate stopped\n"), ErrCorrupt},
		{"state", text("utmpd-heartbeat 2\nboot \"b\"\ntime 2026-01-02T03:04:05Z\nevery 1m0s\nstate fine\n"), ErrCorrupt},
		{"boot", text("utmpd-heartbeat 2\nboot b\ntime 2026-01-02T03:04:05Z\nevery 1m0s\nstate stopped\n"), ErrCorrupt},
		{"time", text("utmpd-heartbeat 2\nboot \"b\"\ntime now\nevery 1m0s\nstate stopped\n"), ErrCorrupt},
		{"period", text("utmpd-heartbeat 2\nboot \"b\"\ntime 2026-01-02T03:04:05Z\nevery 60\nstate stopped\n"), ErrCorrupt},
		{"period in another form", text("utmpd-heartbeat 2\nboot \"b\"\ntime 2026-01-02T03:04:05Z\nevery 60s\nstate stopped\n"), ErrCorrupt},
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
				t.Errorf("error %v, want %v and the path", err, tt.want)
			}
		})
	}
}

func TestWriteNoteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "heartbeat")
	for range 2 {
		if err := WriteNote(path, Note{Time: noteTime, State: Running}); err != nil {
			t.Fatal(err)
		}
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 1 {
		t.Errorf("files: %v, %v", names, err)
	}
}

// TestWritersTogether has several writers replace one note while it is read: each
// write succeeds, and each read finds a whole note.
func TestWritersTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heartbeat")
	write := func(every time.Duration) error {
		return WriteNote(path, Note{BootID: "b", Time: noteTime, Every: every, State: Running})
	}
	if err := write(0); err != nil {
		t.Fatal(err)
	}
	n := 200
	if testing.Short() {
		n = 50
	}
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			var failed []error
			for range n {
				if err := write(time.Duration(i)); err != nil {
					failed = append(failed, err)
				}
			}
			if len(failed) > 0 {
				t.Errorf("%d of the writes of writer %d failed, the first: %v", len(failed), i, failed[0])
			}
		})
	}
	written := make(chan struct{})
	go func() {
		writers.Wait()
		close(written)
	}()
	var failed []error
	for reads := 1; ; reads++ {
		if _, err := ReadNote(path); err != nil {
			failed = append(failed, err)
		}
		select {
		case <-written:
			if len(failed) > 0 {
				t.Errorf("%d of %d reads failed, the first: %v", len(failed), reads, failed[0])
			}
			return
		default:
		}
	}
}

// FuzzNote checks that no input panics, and that a note that can be parsed is
// formatted as the same bytes.
func FuzzNote(f *testing.F) {
	b, err := Note{BootID: "b\x00", Time: noteTime, Every: time.Hour, State: Stopped, Steps: []Step{{1, 2}}}.MarshalText()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, in []byte) {
		var n Note
		if n.UnmarshalText(in) != nil {
			return
		}
		marshal := Note.MarshalText
		if strings.HasPrefix(string(in), oldHeader) {
			marshal = Note.marshalOld
		}
		out, err := marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "text", string(in), string(out))
	})
}
