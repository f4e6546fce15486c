// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import "golang.org/x/sys/unix"

// wideCalls are the calls that take ids, sizes or times of more bits than the first ones of
// this architecture.
var wideCalls = []uint32{
	unix.SYS_TRUNCATE64, unix.SYS_CHOWN32, unix.SYS_FCHOWN32, unix.SYS_LCHOWN32,
	unix.SYS_UTIMENSAT_TIME64, unix.SYS_CLOCK_SETTIME64, unix.SYS_CLOCK_ADJTIME64,
}

// rootsHere are roots that not all architectures have: devices, old names.
var rootsHere = []uint32{
	unix.SYS_KEXEC_FILE_LOAD, unix.SYS_PCICONFIG_IOBASE, unix.SYS_PCICONFIG_READ, unix.SYS_PCICONFIG_WRITE,
	unix.SYS_USELIB, unix.SYS__SYSCTL,
}
