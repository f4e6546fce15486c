// SPDX-License-Identifier: BSD-2-Clause

package sysfile

import (
	"errors"
	"fmt"
	"io/fs"
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
