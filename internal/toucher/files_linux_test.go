// SPDX-License-Identifier: BSD-2-Clause

package toucher

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/sysfile"
)

// packets returns the two ends of a socket that keeps messages apart.
func packets(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket")
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "wtmp")
	for _, name := range []string{log, log + ".1.gz", log + "x", filepath.Join(dir, "btmp")} {
		if err := os.WriteFile(name, []byte(filepath.Base(name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := packets(t)
	done := make(chan bool)
	go func() {
		ServeFiles(theirs, func(ending string, mode sysfile.OpenMode) (*os.File, error) {
			return sysfile.OpenFile(log+ending, mode)
		})
		close(done)
	}()
	files := NewFiles(log, ours)
	for _, c := range []struct {
		name, ending string
		mode         sysfile.OpenMode
		want         error
		writes       bool
	}{
		{"to append", "", sysfile.AppendOnly, nil, true},
		{"to read", "", sysfile.ReadUnseen, nil, false},
		{"a rotated one", ".1.gz", sysfile.ReadUnseen, nil, false},
		{"a rotated one, to write", ".1.gz", sysfile.ReadWrite, nil, false},
		{"a missing one", ".2", sysfile.ReadUnseen, fs.ErrNotExist, false},
		{"another name", "x", sysfile.ReadUnseen, syscall.EINVAL, false},
		{"another file", "/../btmp", sysfile.ReadUnseen, syscall.EINVAL, false},
		{"another file, from below", "./../btmp", sysfile.ReadUnseen, syscall.EINVAL, false},
		{"a long name", "." + string(make([]byte, longest)), sysfile.ReadUnseen, syscall.ENAMETOOLONG, false},
	} {
		f, err := files.Open(c.ending, c.mode)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil {
			continue
		}
		text := make([]byte, 100)
		if n, _ := f.Read(text); string(text[:n]) != filepath.Base(log)+c.ending {
			t.Errorf("%s: it reads %q", c.name, text[:n])
		}
		if _, err = f.Write([]byte("x")); (err == nil) != c.writes {
			t.Errorf("%s: write: %v", c.name, err)
		}
		_ = os.WriteFile(log, []byte("wtmp"), 0o600)
		f.Close()
	}
	if files.Ended() {
		t.Error("it counts as ended")
	}
	ours.Close()
	<-done // the process ends with its other end
	theirs.Close()
}

// TestFilesOfTheDead checks that a process that has died is noticed, before a request and
// after it.
func TestFilesOfTheDead(t *testing.T) {
	ours, theirs := packets(t)
	go func() {
		_, _ = theirs.Read(make([]byte, 8))
		theirs.Close()
	}()
	files := NewFiles("wtmp", ours)
	for range 2 {
		if _, err := files.Open("", sysfile.ReadWrite); !errors.Is(err, ErrNobody) {
			t.Errorf("Open: %v, want %v", err, ErrNobody)
		}
		if !files.Ended() {
			t.Error("it does not count as ended")
		}
	}
}
