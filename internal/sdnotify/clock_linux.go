// SPDX-License-Identifier: BSD-2-Clause

package sdnotify

import "golang.org/x/sys/unix"

// monotonic returns CLOCK_MONOTONIC in microseconds. systemd needs it to
// distinguish this reload from an earlier one.
//
// Source: MONOTONIC_USEC in sd_notify(3).
func monotonic() (usec int64, ok bool) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0, false
	}
	return ts.Nano() / 1000, true
}
