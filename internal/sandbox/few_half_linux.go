// SPDX-License-Identifier: BSD-2-Clause

//go:build 386 || arm || mips || mipsle || ppc

package sandbox

import "golang.org/x/sys/unix"

// fewHere are the few calls whose names differ on machines of 64 bits.
var fewHere = []uint32{
	unix.SYS_FSTAT64, unix.SYS_FSTATAT64, unix.SYS_STAT64, unix.SYS_LSTAT64, unix.SYS_FCNTL64, unix.SYS_MMAP2,
	unix.SYS_FUTEX_TIME64, unix.SYS_CLOCK_GETTIME64, unix.SYS_CLOCK_NANOSLEEP_TIME64, unix.SYS_SIGRETURN,
}
