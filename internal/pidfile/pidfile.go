// SPDX-License-Identifier: BSD-2-Clause

// Package pidfile makes sure that only one daemon runs: each locks the pid file,
// which contains the pid of the one that holds the lock.
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
	PID  int // of that process; 0 if the file does not contain it
}

func (e *RunningError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("pidfile: %s is locked by another process", e.Path)
	}
	return fmt.Sprintf("pidfile: already running as process %d (%s)", e.PID, e.Path)
}

// ErrNotPidFile is the error if the path is not a pid file: a symbolic link, a
// directory, a pipe, a file with a second hard link, or a file that contains
// more than a number. Acquire leaves it unchanged.
var ErrNotPidFile = errors.New("not a pid file")

// ErrLost is the error of [Lock.Check].
var ErrLost = errors.New("the pid file or its directory was removed or replaced")

// maxSize is larger than any pid with its newline.
const maxSize = 32

// tries limits how often the file may be replaced while it is being locked.
const tries = 100

// Lock is a locked pid file. The kernel releases the lock when the process ends.
type Lock struct {
	path string
	f    *os.File
}

// mode lets only the owner open the file: whoever can read it can lock it, and
// so keep the daemon from starting.
const mode = 0o600

// Acquire locks the file at path and writes the caller's pid into it. It creates
// the file, with mode 0600, if it is missing. It takes over a file that is not
// locked, whatever pid it contains, and replaces one that others may open. It does not wait for the lock: if another
// process holds it, the error is a *[RunningError]. If that process has not
// written its pid yet, Acquire waits up to 100 ms for it.
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
	return nil, fmt.Errorf("pidfile: lock %s: it was replaced %d times while being locked", path, tries)
}

// try is one attempt to lock the file. It returns nil and no error if the file
// was replaced in the meantime.
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

// take locks the open file and writes the pid. ok is false if path no longer
// leads to that file.
func (l *Lock) take() (ok bool, err error) {
	if err := l.suitable(); err != nil {
		return false, err
	}
	if err := filelock.Try(l.f); errors.Is(err, filelock.ErrLocked) {
		return false, &RunningError{Path: l.path, PID: l.holder()}
	} else if err != nil {
		return false, fmt.Errorf("pidfile: %w", err)
	}
	// The process that held the lock may have removed the file at its end.
	if !l.current() {
		return false, nil
	}
	if _, err := l.content(); err != nil {
		return false, err
	}
	if l.open() && os.Remove(l.path) == nil {
		return false, nil // the next try creates it, with its mode
	}
	return true, l.write(strconv.Itoa(os.Getpid()) + "\n")
}

// open reports whether the file's mode lets others open it. The sandbox denies
// chmod(2), and so does the service manager's.
func (l *Lock) open() bool {
	info, err := l.f.Stat()
	return err == nil && info.Mode().Perm()&^mode != 0
}

// Check returns [ErrLost] if the path no longer leads to the locked file: the
// file or its directory was removed or replaced, or a file system was mounted
// over the directory. Another daemon could then start.
func (l *Lock) Check() error {
	if !l.current() {
		return fmt.Errorf("pidfile: %s: %w", l.path, ErrLost)
	}
	return nil
}

// suitable returns an error if the file cannot be a pid file.
func (l *Lock) suitable() error {
	info, err := l.f.Stat()
	if err != nil {
		return fmt.Errorf("pidfile: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("pidfile: %s: %w: %v", l.path, ErrNotPidFile, info.Mode())
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Nlink > 1 {
		return fmt.Errorf("pidfile: %s: %w: the file has more than one hard link", l.path, ErrNotPidFile)
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
		return 0, fmt.Errorf("pidfile: %s: %w: it does not contain a pid", l.path, ErrNotPidFile)
	}
	return int(pid), nil
}

// holder returns the pid of the process that holds the lock, 0 if it does not
// write it within 100 ms.
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

// Release removes the file, if it is still the locked one, and releases the lock.
// If the file cannot be removed, it is emptied. A second Release does nothing.
func (l *Lock) Release() error {
	if l.f == nil {
		return nil
	}
	// While the lock is held, no other utmpd replaces the file.
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
