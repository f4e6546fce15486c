// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// machine describes an architecture for the filter.
type machine struct {
	audit      uint32 // AUDIT_ARCH_*
	socketcall uint32 // the number of socketcall(2), 0 if there is none
	// Go creates sockets with socketcall(2), whose arguments a filter cannot
	// read. The filter then allows all networks, and only Landlock denies some.
	needsSocketcall bool
}

var machines = map[string]machine{
	"386":     {audit: unix.AUDIT_ARCH_I386, socketcall: 102, needsSocketcall: true},
	"amd64":   {audit: unix.AUDIT_ARCH_X86_64},
	"arm":     {audit: unix.AUDIT_ARCH_ARM, socketcall: 102},
	"arm64":   {audit: unix.AUDIT_ARCH_AARCH64},
	"loong64": {audit: unix.AUDIT_ARCH_LOONGARCH64},
	"ppc64le": {audit: unix.AUDIT_ARCH_PPC64LE, socketcall: 102},
	"riscv64": {audit: unix.AUDIT_ARCH_RISCV64},
	"s390x":   {audit: unix.AUDIT_ARCH_S390X, socketcall: 102, needsSocketcall: true},
}

// Offsets into struct seccomp_data.
//
// Source: seccomp(2).
const (
	dataNumber = 0
	dataArch   = 4
	dataArgs   = 16
)

// x32 is the bit that marks system calls of the x32 ABI on x86-64.
const x32 = 0x40000000

// program returns the filter. It denies execve(2) and execveat(2), sockets other
// than AF_UNIX, io_uring, whose operations a filter does not see, and all calls
// of other ABIs than the program's own.
func program(arch string) ([]unix.SockFilter, error) {
	m, ok := machines[arch]
	if !ok {
		return nil, fmt.Errorf("no seccomp filter for %s", arch)
	}
	deny := ret(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
	allow := ret(unix.SECCOMP_RET_ALLOW)
	prog := []unix.SockFilter{load(dataArch), skipIf(unix.BPF_JEQ, m.audit), deny, load(dataNumber)}
	denyIf := func(test uint16, k uint32) { prog = append(prog, skipUnless(test, k), deny) }
	if arch == "amd64" {
		denyIf(unix.BPF_JGE, x32)
	}
	for _, call := range []uint32{unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_IO_URING_SETUP} {
		denyIf(unix.BPF_JEQ, call)
	}
	if m.socketcall != 0 && !m.needsSocketcall {
		denyIf(unix.BPF_JEQ, m.socketcall)
	}
	return append(prog,
		skipIf(unix.BPF_JEQ, unix.SYS_SOCKET), allow,
		load(dataArgs+lowHalf()), skipIf(unix.BPF_JEQ, unix.AF_UNIX),
		ret(unix.SECCOMP_RET_ERRNO|uint32(unix.EAFNOSUPPORT)), allow), nil
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func ret(what uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what}
}

// skipIf skips the next instruction if the test is true, skipUnless if it is not.
func skipIf(test uint16, k uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, Jt: 1, K: k}
}

func skipUnless(test uint16, k uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, Jf: 1, K: k}
}

// lowHalf returns the offset of the lower half in a 64-bit argument.
func lowHalf() uint32 {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) == 1 {
		return 0
	}
	return 4
}
