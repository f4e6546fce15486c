// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"os"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/initsystem"
)

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func writes() initsystem.Writes { return initsystem.Find(os.DirFS("/")) }

func runLevel() byte { return initsystem.RunLevel(os.DirFS("/")) }

// volatile reports whether a file is in memory, and so was created in this boot.
func volatile(name string) bool {
	var st unix.Statfs_t
	if unix.Statfs(name, &st) != nil {
		return false
	}
	magic := uint32(st.Type) // its type differs between architectures
	return magic == unix.TMPFS_MAGIC || magic == unix.RAMFS_MAGIC
}
