// SPDX-License-Identifier: BSD-2-Clause

package sysfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Errors that callers can tell apart. A missing file is [fs.ErrNotExist].
var (
	// ErrLocked: somebody else holds a lock that excludes the one asked for.
	ErrLocked = errors.New("locked")
	// ErrNotRegular: not a regular file. The text names what it is.
	ErrNotRegular = errors.New("not a regular file")
	// ErrSymlink: a symbolic link that does not belong to root is not followed.
	ErrSymlink = errors.New("symbolic link that is not root's")
)

// notRegular names what is there in place of a regular file.
func notRegular(mode fs.FileMode) error {
	what := "special file"
	switch {
	case mode.IsDir():
		what = "directory"
	case mode&fs.ModeNamedPipe != 0:
		what = "FIFO"
	case mode&fs.ModeSocket != 0:
		what = "socket"
	case mode&fs.ModeDevice != 0:
		what = "device"
	case mode&fs.ModeSymlink != 0:
		what = "symbolic link"
	}
	return fmt.Errorf("%w but a %s", ErrNotRegular, what)
}

// Wrap adds to an error what was tried on which file, once: it takes a path error from
// below apart. The prefix is that of the public package utmpfile, whose users see it.
// Wrap of nil is nil.
func Wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	var se *os.SyscallError
	if errors.As(err, &se) {
		err = se.Err
	}
	return fmt.Errorf("utmpfile: %s %s: %w", op, name, err)
}
