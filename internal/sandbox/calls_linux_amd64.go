// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import "golang.org/x/sys/unix"

// wideCalls is the oldest call for times. The others have one width here.
var wideCalls = []uint32{unix.SYS_UTIME}

// rootsHere are roots that not all architectures have: ports, segments, old names.
var rootsHere = []uint32{
	unix.SYS_KEXEC_FILE_LOAD, unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT,
	unix.SYS_USELIB, unix.SYS__SYSCTL,
}
