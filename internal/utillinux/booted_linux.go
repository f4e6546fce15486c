// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"time"

	"golang.org/x/sys/unix"
)

// booted returns when the system was booted, by its clock now.
func booted(now time.Time) int64 {
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return 0
	}
	return now.Add(-time.Duration(up.Nano())).Unix()
}
