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

// volatile reports whether a file is in memory, and so made in this boot.
func volatile(name string) bool {
	var st unix.Statfs_t
	return unix.Statfs(name, &st) == nil && (st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC)
}
