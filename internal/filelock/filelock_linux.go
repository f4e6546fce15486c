// SPDX-License-Identifier: BSD-2-Clause

package filelock

import "golang.org/x/sys/unix"

// try takes an OFD lock: closing another descriptor of the file does not lose it.
func try(fd uintptr) error {
	// Whence 0 is the start of the file, length 0 the whole file.
	return unix.FcntlFlock(fd, unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
}
