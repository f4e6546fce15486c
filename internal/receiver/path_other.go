// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package receiver

// DefaultPath is where the named pipe is unless configured otherwise: on
// illumos and Solaris the path that pututxline(3C) writes to.
func DefaultPath(string) string { return "/var/run/utmppipe" }
