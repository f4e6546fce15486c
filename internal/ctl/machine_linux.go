// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/initsystem"
	"utmpd.dev/utmpd/internal/proc"
)

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// initStart is how long the kernel had run when process 1 was started. In a
// container that is as long as you like: what was booted then is the container.
func initStart() time.Duration {
	p, err := proc.Find(1)
	if err != nil {
		return 0
	}
	defer p.Close()
	return p.ID().SinceBoot()
}

func writes() initsystem.Writes { return initsystem.Find(os.DirFS("/")) }

// volatile reports whether a file is in memory, and so made in this boot.
func volatile(name string) bool {
	var st unix.Statfs_t
	if unix.Statfs(name, &st) != nil {
		return false
	}
	magic := uint32(st.Type) // its type is another on each architecture
	return magic == unix.TMPFS_MAGIC || magic == unix.RAMFS_MAGIC
}
