// SPDX-License-Identifier: BSD-2-Clause

package filelock

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// try takes an OFD lock. Where the system has none (Oracle Solaris), it takes the
// process's own: that one does not keep out the same process, and is lost when the
// process closes any descriptor of the file.
func try(fd uintptr) error {
	// Whence 0 is the start of the file, length 0 the whole file.
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	err := unix.FcntlFlock(fd, unix.F_OFD_SETLK, &whole)
	if errors.Is(err, syscall.EINVAL) {
		err = unix.FcntlFlock(fd, unix.F_SETLK, &whole)
	}
	return err
}
