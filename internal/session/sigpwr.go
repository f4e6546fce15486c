// SPDX-License-Identifier: BSD-2-Clause

//go:build aix || linux || netbsd || solaris

package session

import "syscall"

const sigPWR = syscall.SIGPWR
