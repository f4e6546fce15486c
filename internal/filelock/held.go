// SPDX-License-Identifier: BSD-2-Clause

//go:build linux || solaris

package filelock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Held reports whether another open file has a lock on f, which need only be open for
// reading. It takes none. The error is [errors.ErrUnsupported] where the system does not
// tell.
func Held(f *os.File) (bool, error) {
	c, err := f.SyscallConn()
	if err != nil {
		return false, fmt.Errorf("filelock: %w", err)
	}
	asked := unix.Flock_t{Type: unix.F_WRLCK}
	var lockErr error
	if err := c.Control(func(fd uintptr) { lockErr = unix.FcntlFlock(fd, unix.F_OFD_GETLK, &asked) }); err != nil {
		return false, fmt.Errorf("filelock: %w", err)
	}
	if errors.Is(lockErr, unix.EINVAL) {
		return false, fmt.Errorf("filelock: %s: %w", f.Name(), errors.ErrUnsupported)
	}
	if lockErr != nil {
		return false, fmt.Errorf("filelock: %s: %w", f.Name(), lockErr)
	}
	return asked.Type != unix.F_UNLCK, nil
}
