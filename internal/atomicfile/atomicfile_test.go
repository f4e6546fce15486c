// SPDX-License-Identifier: BSD-2-Clause

package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/filelock"
)

func text(s string) func(io.Writer) error { return Bytes([]byte(s)) }

func TestWrite(t *testing.T) {
	defer unix.Umask(unix.Umask(0o022))
	tests := []struct {
		name  string
		write func(string, fs.FileMode, func(io.Writer) error) error
		mode  fs.FileMode
		want  fs.FileMode
	}{
		{"for all to read", Write, 0o644, 0o644},
		{"for the owner", Write, 0o600, 0o600},
		{"less the umask", Write, 0o666, 0o644},
		{"synced", WriteSync, 0o644, 0o644},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			for _, want := range []string{"first", "", "second"} {
				if err := tt.write(path, tt.mode, text(want)); err != nil {
					t.Fatal(err)
				}
				info, err := os.Lstat(path)
				if err != nil || info.Mode() != tt.want {
					t.Errorf("mode %v, %v, want %v", info.Mode(), err, tt.want)
				}
				holds(t, path, want)
			}
			lists(t, path, "file")
		})
	}
}

func TestWriteReplacesLink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o600), os.Symlink(victim, path)); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, 0o644, text("new")); err != nil {
		t.Fatal(err)
	}
	holds(t, victim, "mine")
	holds(t, path, "new")
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("not a file: %v, %v", info, err)
	}
}

// TestWriteFails: the old file stays, nothing else does, and the error is the same
// each time.
func TestWriteFails(t *testing.T) {
	full := errors.New("full")
	tests := []struct {
		name string
		path string // in the test's directory
		fill func(io.Writer) error
		want error
		left []string
	}{
		{"while it is filled", "old", func(w io.Writer) error { return errors.Join(text("half")(w), full) }, full, []string{"directory", "old"}},
		{"as it gets its name", "directory", text("new"), fs.ErrExist, []string{"directory", "old"}},
		{"no directory", "missing/file", text("new"), fs.ErrNotExist, []string{"directory", "old"}},
		{"a file for a directory", "old/file", text("new"), unix.ENOTDIR, []string{"directory", "old"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			old := filepath.Join(dir, "old")
			if err := errors.Join(Write(old, 0o600, text("old")), os.MkdirAll(filepath.Join(dir, "directory/x"), 0o700)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, tt.path)
			for _, write := range []func(string, fs.FileMode, func(io.Writer) error) error{Write, WriteSync} {
				err := write(path, 0o600, tt.fill)
				again := write(path, 0o600, tt.fill)
				if !errors.Is(err, tt.want) || again == nil || again.Error() != err.Error() {
					t.Errorf("error %v, then %v; want %v both times", err, again, tt.want)
				}
			}
			holds(t, old, "old")
			lists(t, old, tt.left...)
		})
	}
}

// TestRemoved: a file that is removed before it is locked is written again, but not
// for ever.
func TestRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, tt := range []struct {
		times int
		want  error
	}{{tries - 1, nil}, {tries, errRemoved}} {
		n := 0
		err := Write(path, 0o600, func(w io.Writer) error {
			if n++; n > tt.times {
				return nil
			}
			return os.Remove(w.(*os.File).Name())
		})
		if !errors.Is(err, tt.want) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("removed %d times: %v, want %v", tt.times, err, tt.want)
		}
	}
}

// TestLeftBehind: of the files beside the path, only temporary ones that nobody has
// locked are removed.
func TestLeftBehind(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"file.new.1", "file.new.18446744073709551615", "file.new.2", "file.new", "file.new.", "file.new.x", "file.new.1.gz", "other.new.1", "afile.new.1"} {
		if err := os.WriteFile(in(name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.WriteFile(victim, nil, 0o600), os.Symlink(victim, in("file.new.3")),
		os.Mkdir(in("file.new.4"), 0o700), unix.Mkfifo(in("file.new.5"), 0o600)); err != nil {
		t.Fatal(err)
	}
	writing, err := os.OpenFile(in("file.new.2"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writing.Close()
	if err := filelock.Try(writing); err != nil {
		t.Fatal(err)
	}
	if err := Write(in("file"), 0o600, text("new")); err != nil {
		t.Fatal(err)
	}
	lists(t, in("file"), "file", "file.new.2", "file.new", "file.new.", "file.new.x", "file.new.1.gz", "other.new.1", "afile.new.1",
		"file.new.3", "file.new.4", "file.new.5")
}

// TestFile: what is left behind is looked for once, and again after an error.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	leave := func(name string) {
		if err := os.WriteFile(path+infix+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := New(path, 0o600)
	leave("1")
	for _, write := range []func(func(io.Writer) error) error{f.Write, f.WriteSync, f.Write} {
		if err := write(text("new")); err != nil {
			t.Fatal(err)
		}
		holds(t, path, "new")
	}
	lists(t, path, "file")
	leave("2")
	if err := f.Write(text("newer")); err != nil {
		t.Fatal(err)
	}
	lists(t, path, "file", "file"+infix+"2")
	full := errors.New("full")
	if err := f.Write(func(io.Writer) error { return full }); !errors.Is(err, full) {
		t.Error(err)
	}
	if err := f.Write(text("newest")); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "newest")
	lists(t, path, "file")
}

// TestKilled: a writer that is killed halfway leaves the old file, and what it had
// written is removed by the next writer, but not as long as it lives.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	halfway := func() *writer {
		w := startWriter(t, path)
		w.tell("half")
		w.says("half")
		return w
	}
	if err := Write(path, 0o644, text("old")); err != nil {
		t.Fatal(err)
	}
	killed, living := halfway(), halfway()
	killed.kill()
	holds(t, path, "old")
	if n := len(names(t, path)); n != 3 {
		t.Errorf("%d files, want the old one and two half ones", n)
	}
	if err := Write(path, 0o644, text("new")); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "new")
	if n := len(names(t, path)); n != 2 {
		t.Errorf("%d files, want the new one and the living writer's", n)
	}
	living.tell("go on")
	living.says("written")
	holds(t, path, content(living.cmd.Process.Pid))
	lists(t, path, "file")
}

// TestWritersTogether has several processes replace one file, some of which are
// killed as they write, while it is read: each read finds a whole file.
func TestWritersTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Write(path, 0o644, text(content(0))); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 5 {
				w := startWriter(t, path)
				for range 20 {
					w.tell("write")
					w.says("written")
				}
				w.tell("write")
				w.kill()
			}
		})
	}
	written := make(chan struct{})
	go func() {
		writers.Wait()
		close(written)
	}()
	torn, reads := 0, 0
	for done := false; !done; reads++ {
		select {
		case <-written:
			done = true
		default:
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) != size || strings.Count(string(b), string(b[:1])) != size {
			torn++
		}
	}
	if torn > 0 {
		t.Errorf("%d of %d reads did not find a whole file", torn, reads)
	}
	if err := Write(path, 0o644, text(content(0))); err != nil {
		t.Fatal(err)
	}
	lists(t, path, "file")
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || string(b) != want {
		t.Errorf("%s holds %.20q, %d bytes, %v, want %.20q, %d bytes", path, b, len(b), err, want, len(want))
	}
}

// lists holds the directory of path to these names.
func lists(t *testing.T, path string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if d := cmp.Diff(want, names(t, path)); d != "" {
		t.Errorf("files (-want +got)\n%s", d)
	}
}

func names(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
