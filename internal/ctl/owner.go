// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"io/fs"
	"runtime"
	"syscall"

	"utmpd.dev/utmpd/internal/check"
)

// errNoData is the error of a search for data behind the last of a file.
const errNoData = syscall.ENXIO

// ownerOf returns who owns a file, and its mode.
func ownerOf(fi fs.FileInfo) check.Owner {
	o := check.Owner{Mode: fi.Mode(), Solaris: runtime.GOOS == "illumos" || runtime.GOOS == "solaris"}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		o.UID, o.GID = st.Uid, st.Gid
	}
	return o
}
