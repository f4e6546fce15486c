// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"fmt"
	"log/slog"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// becomeUser makes u the user of all threads, with u's groups and with CAP_FOWNER
// alone: the right to set the access time of a file that belongs to root, which separate
// hands on. It needs root, and must be called before any room starts.
func becomeUser(u account, log *slog.Logger) error {
	if unix.Geteuid() == u.uid {
		return nil
	}
	if unix.Geteuid() != 0 {
		return fmt.Errorf("RUN_AS: only root can become %s", u.name)
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		// Without this, leaving uid 0 drops every capability.
		{"keep capabilities", func() error { return allThreads(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1, 0) }},
		{"groups", func() error { return syscall.Setgroups(u.groups) }},
		{"group", func() error { return syscall.Setresgid(u.gid, u.gid, u.gid) }},
		{"user", func() error { return syscall.Setresuid(u.uid, u.uid, u.uid) }},
		{"capabilities", func() error { return keepOnly(1 << unix.CAP_FOWNER) }}, // for the toucher
		{"no new privileges", func() error { return allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("RUN_AS=%s: %s: %w", u.name, step.what, err)
		}
	}
	log.Info("running as", "user", u.name, "uid", u.uid)
	return nil
}

// keepOnly leaves a set of capabilities, of the first 32, effective and permitted, and
// nothing else.
func keepOnly(set uint32) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: set, Permitted: set}}
	// Not by way of allThreads: the addresses stay valid only if they are converted
	// in the arguments of the call itself.
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// allThreads makes a system call, which affects a single thread, in each of them.
func allThreads(trap, a1, a2, a3 uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall(trap, a1, a2, a3); errno != 0 {
		return errno
	}
	return nil
}
