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

// initStart returns how long the kernel had run when process 1 started. In a container
// this can be any length; the container's start is then the boot.
func initStart() time.Duration {
	p, err := proc.Find(1)
	if err != nil {
		return 0
	}
	defer p.Close()
	return p.ID().SinceBoot()
}

func writes() initsystem.Writes { return initsystem.Find(os.DirFS("/")) }

// volatile reports whether a file is in memory, and so was created in this boot.
func volatile(name string) bool {
	var st unix.Statfs_t
	if unix.Statfs(name, &st) != nil {
		return false
	}
	magic := uint32(st.Type) // its type differs between architectures
	return magic == unix.TMPFS_MAGIC || magic == unix.RAMFS_MAGIC
}
