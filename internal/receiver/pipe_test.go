// SPDX-License-Identifier: BSD-2-Clause

package receiver

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestOpenCreates(t *testing.T) {
	for _, test := range []struct {
		name  string
		umask int
	}{
		{"usual umask", 0o022},
		{"no umask", 0},
		{"strict umask", 0o077},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "utmppipe")
			old := unix.Umask(test.umask)
			r, err := Open(path, Options{})
			unix.Umask(old)
			if err != nil {
				t.Fatal(err)
			}
			wantFIFO(t, path)
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			wantFIFO(t, path) // Close leaves it in place
			again, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			again.Close()
		})
	}
}

func wantFIFO(t *testing.T, path string) {
	t.Helper()
	if got, want := lstat(t, path).Mode(), fs.ModeNamedPipe|0o600; got != want {
		t.Errorf("mode %v, want %v", got, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(t *testing.T, path string) error
		want string
		root bool
	}{
		{"regular file", func(t *testing.T, path string) error { return os.WriteFile(path, []byte("mine"), 0o600) },
			"a regular file", false},
		{"directory", func(t *testing.T, path string) error { return os.Mkdir(path, 0o700) }, "a directory", false},
		{"symbolic link to a good FIFO", func(t *testing.T, path string) error {
			if err := unix.Mkfifo(path+".real", 0o600); err != nil {
				return err
			}
			return os.Symlink(path+".real", path)
		}, "a symbolic link", false},
		{"symbolic link to nothing", func(t *testing.T, path string) error { return os.Symlink(path+".none", path) },
			"a symbolic link", false},
		{"socket", func(t *testing.T, path string) error {
			l, err := net.Listen("unix", path)
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return err
		}, "a socket", false},
		{"FIFO that the group may write to", fifo(0o620), "other users may use (mode 0620)", false},
		{"FIFO that others may write to", fifo(0o602), "other users may use (mode 0602)", false},
		{"FIFO that others may read", fifo(0o604), "other users may use (mode 0604)", false},
		{"FIFO of another owner", func(t *testing.T, path string) error {
			if err := unix.Mkfifo(path, 0o600); err != nil {
				return err
			}
			return os.Chown(path, 12345, 12345)
		}, "a FIFO of uid 12345", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.root && os.Geteuid() != 0 {
				t.Skip("this case needs root")
			}
			path := filepath.Join(t.TempDir(), "p")
			if err := test.make(t, path); err != nil {
				t.Fatal(err)
			}
			before := lstat(t, path)
			wantForeign(t, path, test.want)
			after := lstat(t, path)
			if !os.SameFile(before, after) || before.Mode() != after.Mode() || before.Size() != after.Size() {
				t.Errorf("Open changed the file from %v to %v", before, after)
			}
			if _, err := os.Lstat(path + ".none"); err == nil {
				t.Error("Open followed the link and created a file")
			}
		})
	}
}

// wantForeign checks that Open fails with ErrForeign, the path and the text why.
func wantForeign(t *testing.T, path, why string) {
	t.Helper()
	r, err := Open(path, Options{})
	if r != nil {
		r.Close()
	}
	if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), why) {
		t.Errorf("Open: %v, want %v with %q", err, ErrForeign, why)
	}
}

func lstat(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func fifo(mode fs.FileMode) func(*testing.T, string) error {
	return func(t *testing.T, path string) error {
		if err := unix.Mkfifo(path, 0o600); err != nil {
			return err
		}
		return os.Chmod(path, mode)
	}
}

func TestOpenNoDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "utmppipe")
	if _, err := Open(path, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v, want %v", err, fs.ErrNotExist)
	}
}

// TestRealPipe checks requests through a real pipe, each from a new writer.
func TestRealPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "utmppipe")
	r, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	batches := make(chan []Request)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, func(batch []Request) { batches <- batch }) }()
	for pid := range int32(3) {
		w, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(message(1, pid+1)); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if diff := cmp.Diff([]Request{{Add, pid + 1}}, <-batches); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestWritersEnd checks that there is no end of file after the last writer has
// closed the pipe.
func TestWritersEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "utmppipe")
	file, err := openPipe(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	file.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := file.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %v, want %v", err, os.ErrDeadlineExceeded)
	}
}

func TestCloseEndsRun(t *testing.T) {
	r, err := Open(filepath.Join(t.TempDir(), "utmppipe"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Run(t.Context(), nil) }()
	r.Close()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}
