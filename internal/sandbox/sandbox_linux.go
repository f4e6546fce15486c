// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Enter gives up, on all threads and for good, everything but the directories
// and unix sockets. What is open stays open. It sets no_new_privs.
//
// The errors tell what could not be given up: the kernel is too old, or built
// without it. They are no reason not to go on. Directories that do not exist are
// left out. The Box is never nil.
//
// Source: seccomp(2), landlock(7).
func Enter(dirs Dirs) (*Box, []error) {
	var errs []error
	if err := filterCalls(); err != nil {
		errs = append(errs, fmt.Errorf("sandbox: programs and networks: %w", err))
		// Landlock wants this, which otherwise the filter brought to all threads.
		if err := allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
			return &Box{}, append(errs, fmt.Errorf("sandbox: files: %w", err))
		}
	}
	box, err := restrictFiles(dirs)
	if err != nil {
		errs = append(errs, fmt.Errorf("sandbox: files: %w", err))
	}
	return box, errs
}

// filterCalls installs the seccomp filter.
func filterCalls() error {
	prog, err := program(runtime.GOARCH)
	if err != nil {
		return err
	}
	// no_new_privs counts for this thread; TSYNC gives all threads both.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	filter := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&filter)))
	runtime.KeepAlive(prog)
	switch {
	case errno != 0:
		return fmt.Errorf("seccomp: %w", errno)
	case thread != 0:
		return fmt.Errorf("seccomp: thread %d has a filter of its own", thread)
	}
	return nil
}

// allThreads makes in each thread a system call that counts for one only. It
// cannot in a program with cgo.
func allThreads(trap, a1, a2, a3 uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall(trap, a1, a2, a3); errno != 0 {
		return errno
	}
	return nil
}
