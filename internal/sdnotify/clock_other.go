// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package sdnotify

// monotonic has no one to tell: systemd is on Linux only.
func monotonic() (usec int64, ok bool) { return 0, false }
