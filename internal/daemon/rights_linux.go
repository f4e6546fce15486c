// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/proc"
)

// writable returns why a file may not be written. A missing file is no error: it
// may come later.
func writable(name string) error {
	err := unix.Faccessat(unix.AT_FDCWD, name, unix.W_OK, unix.AT_EACCESS)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ownerOf returns why this process may not act as the owner of a file.
func ownerOf(name string) error {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil || int(st.Uid) == unix.Geteuid() || hasCap(unix.CAP_FOWNER) {
		return nil
	}
	return unix.EPERM
}

// kernelLacks names what the kernel does not report about processes.
func kernelLacks() []string {
	var missing []string
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		missing = append(missing, "see in /proc who leads a terminal: such sessions stay")
	}
	inode, exit := proc.Supports()
	if !inode {
		missing = append(missing, "know a process by more than its start time (Linux 6.9)")
	}
	if !exit {
		missing = append(missing, "learn how processes end (Linux 6.15)")
	}
	return missing
}

func hasCap(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}
