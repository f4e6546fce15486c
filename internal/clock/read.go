// SPDX-License-Identifier: BSD-2-Clause

//go:build linux || solaris

package clock

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// near is how far apart two readings may be that were surely taken without a stop between.
const near = 100 * time.Microsecond

// bracketed reads the wall clock between two readings of the kernel's count. It tries three
// times, until these are near, and takes the try in which they are nearest, so that a program
// which is stopped between two readings sees no step. mono stands still in a suspend.
func bracketed(count, wall, mono int32) Reading {
	var best Reading
	width := time.Duration(math.MaxInt64)
	for range 3 {
		before, now, running, after := get(count), get(wall), get(mono), get(count)
		if before <= 0 || after-before >= width {
			continue
		}
		width = after - before
		up := before + width/2
		// The readings differ by microseconds.
		best = Reading{Wall: time.Unix(0, int64(now)), Up: up, Slept: max(0, up-running).Truncate(10 * time.Millisecond)}
		if width <= near {
			break
		}
	}
	if best.Up == 0 {
		best.Wall = time.Now().Round(0)
	}
	return best
}

func get(clock int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(clock, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
