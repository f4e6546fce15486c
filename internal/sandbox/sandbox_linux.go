// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Enter enters the sandbox on all threads. It cannot be left. Afterwards only dirs
// and unix sockets can be opened, and no program can be run. Open files stay
// open. Enter sets no_new_privs. It ignores directories that do not exist.
//
// The errors say what could not be given up because the kernel is too old or
// built without it. The caller can go on after them. The Box is never nil.
//
// Source: seccomp(2), landlock(7).
func Enter(dirs Dirs) (*Box, []error) {
	var errs []error
	if err := filterCalls(); err != nil {
		errs = append(errs, fmt.Errorf("sandbox: programs and networks: %w", err))
		// Landlock needs no_new_privs. A filter would have set it on all threads.
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
	return install(prog)
}

// install installs a filter on all threads.
func install(prog []unix.SockFilter) error {
	// prctl sets no_new_privs on this thread only. TSYNC copies it and the
	// filter to all threads.
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
		return fmt.Errorf("seccomp: thread %d has another filter", thread)
	}
	return nil
}

// allThreads makes a system call on each thread. In a program with cgo it fails
// with ENOTSUP.
func allThreads(trap, a1, a2, a3 uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall(trap, a1, a2, a3); errno != 0 {
		return errno
	}
	return nil
}
