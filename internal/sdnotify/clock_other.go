// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package sdnotify

// monotonic returns false: systemd runs on Linux only.
func monotonic() (usec int64, ok bool) { return 0, false }
