// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux && amd64

package faults

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// launchEnv makes the test binary execute utmpd under a seccomp filter.
const launchEnv = "UTMPD_FAULTS_LAUNCH"

// init runs on the first thread, which the tracer knows from the beginning. The filter
// belongs to that thread and survives exec.
func init() {
	path := os.Getenv(launchEnv)
	if path == "" {
		return
	}
	runtime.LockOSThread()
	os.Unsetenv(launchEnv)
	err := filter()
	if err == nil {
		err = syscall.Exec(path, os.Args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "launch:", err)
	os.Exit(125)
}

// filter makes the kernel stop for the tracer at the calls in names.
func filter() error {
	const (
		offNr, offArch = 0, 4 // offsets in struct seccomp_data
		retTrace       = 0x7ff00000
		retAllow       = 0x7fff0000
		auditX8664     = 0xc000003e
	)
	load := func(off uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
	}
	ret := func(what uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what} }
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	program := []unix.SockFilter{load(offArch), equal(auditX8664, 1, 0), ret(retAllow), load(offNr)}
	left := len(names)
	for nr := range names {
		program = append(program, equal(uint32(nr), uint8(left), 0))
		left--
	}
	program = append(program, ret(retAllow), ret(retTrace))
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}
