// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux && !solaris

package pidfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock takes a BSD lock, which belongs to the open file as an OFD lock does.
func lock(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	if err := c.Control(func(fd uintptr) {
		lockErr = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB)
	}); err != nil {
		return err
	}
	return lockErr
}
