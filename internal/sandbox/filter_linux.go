// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import (
	"fmt"
	"slices"
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
	cloneFlags      uint32 // which argument of clone(2) has the flags
}

var machines = map[string]machine{
	"386":     {audit: unix.AUDIT_ARCH_I386, socketcall: 102, needsSocketcall: true},
	"amd64":   {audit: unix.AUDIT_ARCH_X86_64},
	"arm":     {audit: unix.AUDIT_ARCH_ARM, socketcall: 102},
	"arm64":   {audit: unix.AUDIT_ARCH_AARCH64},
	"loong64": {audit: unix.AUDIT_ARCH_LOONGARCH64},
	"ppc64le": {audit: unix.AUDIT_ARCH_PPC64LE, socketcall: 102},
	"riscv64": {audit: unix.AUDIT_ARCH_RISCV64},
	"s390x":   {audit: unix.AUDIT_ARCH_S390X, socketcall: 102, needsSocketcall: true, cloneFlags: 1},
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

// program returns the filter. It denies execve(2) and execveat(2), the calls of owners
// and roots, ioctl(2) but for pidfds, new namespaces, sockets other than AF_UNIX, io_uring, whose
// operations a filter does not see, and all calls of other ABIs than the program's own.
func program(arch string) ([]unix.SockFilter, error) {
	m, ok := machines[arch]
	if !ok {
		return nil, fmt.Errorf("no seccomp filter for %s", arch)
	}
	prog := begin(arch, m)
	denyIf := func(test uint16, k uint32) { prog = append(prog, skipUnless(test, k), denied) }
	for _, call := range slices.Concat(programs, owners, roots) {
		denyIf(unix.BPF_JEQ, call)
	}
	if m.socketcall != 0 && !m.needsSocketcall {
		denyIf(unix.BPF_JEQ, m.socketcall)
	}
	return slices.Concat(prog,
		only(unix.SYS_IOCTL, load(argument(1)), and(0xff00), skipIf(unix.BPF_JEQ, pidfdIoctl), denied, allowed),
		only(unix.SYS_UTIMENSAT, openFileOnly()...),
		only(unix.SYS_CLONE, load(argument(m.cloneFlags)), and(namespaces), skipIf(unix.BPF_JEQ, 0), denied, allowed),
		only(unix.SYS_CLONE3, ret(unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS))), // its flags are in memory; a libc then uses clone
		only(unix.SYS_SOCKET, load(argument(0)), skipIf(unix.BPF_JEQ, unix.AF_UNIX),
			ret(unix.SECCOMP_RET_ERRNO|uint32(unix.EAFNOSUPPORT)), allowed),
		[]unix.SockFilter{allowed}), nil
}

// pidfdIoctl is the type of the requests for pidfds. All requests of file systems have
// other types: those that set attributes, versions, encryption.
//
// Source: linux/pidfd.h.
const pidfdIoctl = 0xff00

// namespaces are the flags of clone(2) that make one. In a user namespace of its own a
// process has all capabilities.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// begin denies the calls of other ABIs, and loads the number of the call.
func begin(arch string, m machine) []unix.SockFilter {
	prog := []unix.SockFilter{load(dataArch), skipIf(unix.BPF_JEQ, m.audit), denied, load(dataNumber)}
	if arch == "amd64" {
		prog = append(prog, skipUnless(unix.BPF_JGE, x32), denied)
	}
	return prog
}

// openFileOnly allows utimensat(2) without a path: for a file that is open, and so was
// within reach.
func openFileOnly() []unix.SockFilter {
	return []unix.SockFilter{
		load(argument(1)), skipIf(unix.BPF_JEQ, 0), denied,
		load(argument(1) ^ 4), skipIf(unix.BPF_JEQ, 0), denied, // the other half
		allowed,
	}
}

// only runs body, which must return, for one call.
func only(call uint32, body ...unix.SockFilter) []unix.SockFilter {
	skip := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: uint8(len(body)), K: call}
	return append([]unix.SockFilter{skip}, body...)
}

var (
	denied  = ret(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
	allowed = ret(unix.SECCOMP_RET_ALLOW)
)

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

func and(k uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: k}
}

// argument returns the offset of an argument's lower half.
func argument(n uint32) uint32 { return dataArgs + 8*n + lowHalf() }

// lowHalf returns the offset of the lower half in a 64-bit argument.
func lowHalf() uint32 {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) == 1 {
		return 0
	}
	return 4
}
