// SPDX-License-Identifier: BSD-2-Clause

//go:build linux || solaris

package recfile_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// lockChild locks as glibc does: fcntl(F_SETLKW) over the whole file.
func lockChild(name string, read bool) int {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer f.Close()
	l := unix.Flock_t{Type: unix.F_WRLCK}
	if read {
		l.Type = unix.F_RDLCK
	}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLKW, &l); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return sayLocked()
}

func mkfifo(t *testing.T, name string) {
	t.Helper()
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
}
