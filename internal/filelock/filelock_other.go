// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux && !solaris

package filelock

import "golang.org/x/sys/unix"

// try takes a BSD lock, which belongs to the open file as an OFD lock does.
func try(fd uintptr) error { return unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) }
