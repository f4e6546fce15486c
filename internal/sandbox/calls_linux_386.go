// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import "golang.org/x/sys/unix"

// wideCalls are the calls that take ids or times of more bits than the first ones of
// this architecture, and the oldest ones.
var wideCalls = []uint32{
	unix.SYS_UTIME, unix.SYS_STIME, unix.SYS_CHOWN32, unix.SYS_FCHOWN32, unix.SYS_LCHOWN32,
	unix.SYS_UTIMENSAT_TIME64, unix.SYS_CLOCK_SETTIME64, unix.SYS_CLOCK_ADJTIME64,
}
