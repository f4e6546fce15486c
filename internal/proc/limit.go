// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// RaiseLimit raises RLIMIT_NOFILE to want open descriptors. It raises the hard
// limit as well if necessary and allowed. It returns the resulting soft limit,
// and an error if that is less than want. It never lowers a limit. (The Go
// runtime raises the soft limit to the hard one at the start of a program.)
func RaiseLimit(want int) (got int, err error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, limitError(want, err)
	}
	soft, hard, target := uint64(limit.Cur), uint64(limit.Max), uint64(max(want, 0))
	if soft >= target {
		return count(soft), nil
	}
	var refused error
	if target > hard {
		set(&limit.Cur, target)
		set(&limit.Max, target)
		if refused = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); refused == nil {
			return want, nil
		}
		target = hard
	}
	if soft < target {
		set(&limit.Cur, target)
		set(&limit.Max, hard)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return count(soft), limitError(want, err)
		}
	}
	if refused != nil {
		return count(target), limitError(want, refused)
	}
	return count(target), nil
}

func limitError(want int, err error) error {
	return fmt.Errorf("proc: raise RLIMIT_NOFILE to %d: %w", want, err)
}

// set assigns a limit. Its type is signed on some systems.
func set[T int64 | uint64](limit *T, to uint64) { *limit = T(to) }

// count converts a limit into an int; RLIM_INFINITY becomes the largest int.
func count(limit uint64) int { return int(min(limit, math.MaxInt)) }
