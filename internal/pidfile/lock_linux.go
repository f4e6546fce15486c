// SPDX-License-Identifier: BSD-2-Clause

package pidfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock takes an OFD lock, so that no other descriptor of the file that this
// process closes can lose it.
func lock(f *os.File) error {
	return fcntl(f, unix.F_OFD_SETLK)
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
