// SPDX-License-Identifier: BSD-2-Clause

//go:build !aix && !linux && !netbsd && !solaris

package session

import "syscall"

// sigPWR is the number of no signal: this system has no SIGPWR.
const sigPWR = syscall.Signal(-1)
