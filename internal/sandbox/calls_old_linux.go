// SPDX-License-Identifier: BSD-2-Clause

//go:build 386 || amd64 || arm || mips || mips64 || mips64le || mipsle || ppc || ppc64 || ppc64le || s390x || sparc64

package sandbox

import "golang.org/x/sys/unix"

// oldOwners are owners of the architectures that had system calls before those of
// the family *at.
var oldOwners = []uint32{unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_UTIMES, unix.SYS_FUTIMESAT}

// oldStats are the calls that look up a file there.
var oldStats = []uint32{unix.SYS_STAT, unix.SYS_LSTAT}
