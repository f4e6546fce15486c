// SPDX-License-Identifier: BSD-2-Clause

//go:build amd64 || arm64 || loong64 || mips64 || mips64le || ppc64 || ppc64le || riscv64 || s390x

package sandbox

import "golang.org/x/sys/unix"

// fewHere are the few calls whose names differ on machines of 32 bits.
var fewHere = []uint32{unix.SYS_FSTAT, unix.SYS_NEWFSTATAT, unix.SYS_MMAP}
