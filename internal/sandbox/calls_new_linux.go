// SPDX-License-Identifier: BSD-2-Clause

//go:build arm64 || loong64 || riscv64

package sandbox

import "golang.org/x/sys/unix"

// oldOwners is empty: these architectures have the calls of the family *at alone.
var oldOwners []uint32

// oldStats is empty for the same reason.
var oldStats []uint32

// rootsHere are roots that not all architectures have.
var rootsHere = []uint32{unix.SYS_KEXEC_FILE_LOAD}
