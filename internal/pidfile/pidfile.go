// SPDX-License-Identifier: BSD-2-Clause

// Package pidfile lets one daemon run at a time: the lock on its pid file is
// the right to run, and the file says who holds it.
package pidfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/filelock"
)

// RunningError is the error of Acquire while another process holds the lock.
type RunningError struct {
	Path string
	PID  int // 0 if the file does not tell
}

func (e *RunningError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("pidfile: %s is locked by another process", e.Path)
	}
	return fmt.Sprintf("pidfile: already running as process %d (%s)", e.PID, e.Path)
}

// ErrNotPidFile is the error of a path where something else was found, which
// is left as it is: a symbolic link, a directory, a pipe, a file with another
// name too, a file that holds more than a number.
var ErrNotPidFile = errors.New("not a pid file")

// ErrLost is the error of a path that leads to another file than the locked one,
// or to none.
var ErrLost = errors.New("the pid file is gone or another's, or its directory is another by now")

// maxSize is more than any pid and its newline take.
const maxSize = 32

// tries bounds how often the file may be replaced while it is being locked.
const tries = 100

// Lock is the right to run. The kernel gives it up when the process ends.
type Lock struct {
	path string
	f    *os.File
}

// mode keeps the file from all others: who can read a file can lock it against a
// writer, and so could keep the daemon from running.
const mode = 0o600

// Acquire locks the file at path, which it creates, mode 0600, if need be, and
// writes the caller's pid there. It does not wait for the lock: if another
// process has it, the error is a *[RunningError], for whose pid it waits a
// tenth of a second at most if it is not written yet. A file that no one locks
// is taken over, whatever pid it names.
func Acquire(path string) (*Lock, error) {
	for range tries {
		l, err := try(path)
		if err != nil {
			return nil, err
		}
		if l != nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("pidfile: lock %s: it is being replaced again and again", path)
}

// try returns nil without an error if path was replaced meanwhile.
func try(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, mode)
	switch {
	case errors.Is(err, syscall.ELOOP):
		return nil, fmt.Errorf("pidfile: %s: %w: a symbolic link", path, ErrNotPidFile)
	case errors.Is(err, syscall.EISDIR):
		return nil, fmt.Errorf("pidfile: %s: %w: a directory", path, ErrNotPidFile)
	case err != nil:
		return nil, fmt.Errorf("pidfile: %w", err)
	}
	l := &Lock{path: path, f: f}
	ok, err := l.take()
	if err != nil || !ok {
		f.Close()
		return nil, err
	}
	return l, nil
}

func (l *Lock) take() (bool, error) {
	if err := l.suitable(); err != nil {
		return false, err
	}
	if err := filelock.Try(l.f); errors.Is(err, filelock.ErrLocked) {
		return false, &RunningError{Path: l.path, PID: l.holder()}
	} else if err != nil {
		return false, fmt.Errorf("pidfile: %w", err)
	}
	// The one who held it may have unlinked it as it went.
	if !l.current() {
		return false, nil
	}
	if _, err := l.content(); err != nil {
		return false, err
	}
	_ = l.f.Chmod(mode) // one that was there; somebody else's stays as it is
	return true, l.write(strconv.Itoa(os.Getpid()) + "\n")
}

// Check reports [ErrLost] if others would no longer find the lock: the file was
// removed or replaced, or a file system was mounted over its directory.
func (l *Lock) Check() error {
	if !l.current() {
		return fmt.Errorf("pidfile: %s: %w", l.path, ErrLost)
	}
	return nil
}

// suitable holds the file to what a pid file can be.
func (l *Lock) suitable() error {
	info, err := l.f.Stat()
	if err != nil {
		return fmt.Errorf("pidfile: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("pidfile: %s: %w: %v", l.path, ErrNotPidFile, info.Mode())
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Nlink > 1 {
		return fmt.Errorf("pidfile: %s: %w: the file has another name too", l.path, ErrNotPidFile)
	}
	return nil
}

// current reports whether the path still leads to the locked file.
func (l *Lock) current() bool {
	mine, err := l.f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(l.path)
	return err == nil && os.SameFile(mine, there)
}

// content returns the pid in the file, 0 if it is empty.
func (l *Lock) content() (int, error) {
	b := make([]byte, maxSize+1)
	n, _ := l.f.ReadAt(b, 0)
	s := bytes.TrimSpace(b[:n])
	if len(s) == 0 {
		return 0, nil
	}
	pid, err := strconv.ParseUint(string(s), 10, 31)
	if err != nil || n > maxSize {
		return 0, fmt.Errorf("pidfile: %s: %w: it does not hold a pid", l.path, ErrNotPidFile)
	}
	return int(pid), nil
}

// holder reads the pid of the one who has the lock and may be about to write it.
func (l *Lock) holder() int {
	for range 10 {
		if pid, err := l.content(); err != nil || pid != 0 {
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	return 0
}

func (l *Lock) write(s string) error {
	// In this order a reader never finds the file empty.
	if _, err := l.f.WriteAt([]byte(s), 0); err != nil {
		return fmt.Errorf("pidfile: %w", err)
	}
	if err := l.f.Truncate(int64(len(s))); err != nil {
		return fmt.Errorf("pidfile: %w", err)
	}
	return nil
}

// Release removes the file, if it is still the locked one, and gives up the
// lock. Where the directory cannot be written the file stays behind, empty. A
// second Release does nothing.
func (l *Lock) Release() error {
	if l.f == nil {
		return nil
	}
	// As long as the lock is held, no other utmpd puts a file in its place.
	var err error
	if l.current() {
		if err = os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			err = l.write("")
		} else {
			err = nil
		}
	}
	err = errors.Join(err, l.f.Close())
	l.f = nil
	return err
}
