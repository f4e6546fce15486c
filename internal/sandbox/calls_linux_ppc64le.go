// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import "golang.org/x/sys/unix"

// wideCalls is the oldest call for times. The others have one width here.
var wideCalls = []uint32{unix.SYS_UTIME}

// rootsHere are roots that not all architectures have: devices, processors, old names.
var rootsHere = []uint32{
	unix.SYS_KEXEC_FILE_LOAD, unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT,
	unix.SYS_PCICONFIG_IOBASE, unix.SYS_PCICONFIG_READ, unix.SYS_PCICONFIG_WRITE,
	unix.SYS_RTAS, unix.SYS_SPU_CREATE, unix.SYS_SPU_RUN,
	unix.SYS_STIME, unix.SYS_UMOUNT, unix.SYS_USELIB, unix.SYS__SYSCTL,
}
