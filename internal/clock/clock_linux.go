// SPDX-License-Identifier: BSD-2-Clause

package clock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Read reads the clocks.
func Read() Reading { return bracketed(unix.CLOCK_BOOTTIME, unix.CLOCK_REALTIME, unix.CLOCK_MONOTONIC) }

// latest is the last second that a timer takes: of 2038 on machines of 32 bits, where a later one
// would be in the past, and the timer expire at once.
const latest = min(math.MaxInt, math.MaxInt64/1_000_000_000)

// Notices calls notice when the wall clock was set, until ctx ends. Waiting occupies
// no thread, and nothing wakes up unless the clock is set or the system resumes.
//
// Source: TFD_TIMER_CANCEL_ON_SET in timerfd_create(2).
func Notices(ctx context.Context, notice func()) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("clock: timerfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), "timerfd")
	defer f.Close()
	defer context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })()
	for ctx.Err() == nil {
		never := unix.ItimerSpec{Value: unix.Timespec{Sec: latest}}
		err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &never, nil)
		if err == nil {
			_, err = f.Read(make([]byte, 8))
		}
		switch {
		case errors.Is(err, unix.ECANCELED):
			notice()
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("clock: timerfd: %w", err)
		}
	}
	return nil
}
