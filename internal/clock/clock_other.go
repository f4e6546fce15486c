// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux && !solaris

package clock

import (
	"context"
	"time"
)

// Read reads the wall clock: no portable call counts on through a suspend.
func Read() Reading { return Reading{Wall: time.Now().Round(0)} }

// Used returns the time since the program began, which is no less than the processor time
// of one thread: no portable call tells that.
func Used() time.Duration { return time.Since(began) }

var began = time.Now()

// Notices returns when ctx ends: no call tells when the clock was set.
func Notices(ctx context.Context, notice func()) error {
	<-ctx.Done()
	return nil
}
