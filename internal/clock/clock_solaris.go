// SPDX-License-Identifier: BSD-2-Clause

package clock

import (
	"context"

	"golang.org/x/sys/unix"
)

// Read reads the clocks. Suspends are unknown.
func Read() Reading { return bracketed(unix.CLOCK_HIGHRES, unix.CLOCK_REALTIME, unix.CLOCK_HIGHRES) }

// Notices returns when ctx ends: no call tells when the clock was set.
func Notices(ctx context.Context, notice func()) error {
	<-ctx.Done()
	return nil
}
