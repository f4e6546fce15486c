// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import "golang.org/x/sys/unix"

// wideCalls is the oldest call for times. The others have one width here.
var wideCalls = []uint32{unix.SYS_UTIME}

// rootsHere are roots that not all architectures have: devices, old names.
var rootsHere = []uint32{
	unix.SYS_KEXEC_FILE_LOAD, unix.SYS_S390_PCI_MMIO_READ, unix.SYS_S390_PCI_MMIO_WRITE,
	unix.SYS_S390_RUNTIME_INSTR, unix.SYS_UMOUNT, unix.SYS_USELIB, unix.SYS__SYSCTL,
}
