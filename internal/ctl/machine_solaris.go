// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
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

// writes: init does all, the record of a crash too.
//
// Source: init(8) of illumos.
func writes() initsystem.Writes {
	return initsystem.Writes{Who: "init", BootLog: true, BootFile: true, Shutdown: true}
}

func runLevel() byte { return 0 }

func volatile(string) bool { return false }
