// SPDX-License-Identifier: BSD-2-Clause

//go:build linux || solaris

package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// Used returns the processor time that the program has used, all its threads together. Of a
// system without such a clock it returns 0.
//
// Source: CLOCK_PROCESS_CPUTIME_ID in clock_gettime(2).
func Used() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
