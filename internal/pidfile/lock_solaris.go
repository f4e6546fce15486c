// SPDX-License-Identifier: BSD-2-Clause

package pidfile

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// lock takes an OFD lock, or where the system is too old for one, the process's
// own, which ends when any descriptor of the file is closed: this package keeps
// one only.
func lock(f *os.File) error {
	err := fcntl(f, unix.F_OFD_SETLK)
	if errors.Is(err, syscall.EINVAL) {
		err = fcntl(f, unix.F_SETLK)
	}
	return err
}

func fcntl(f *os.File, cmd int) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	// Whence 0 is the start of the file, length 0 all of it.
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	var lockErr error
	if err := c.Control(func(fd uintptr) {
		lockErr = unix.FcntlFlock(fd, cmd, &whole)
	}); err != nil {
		return err
	}
	return lockErr
}
