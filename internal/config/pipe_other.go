// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package config

// pipeFile returns the default of PIPE_FILE: on illumos and Solaris the path to
// which pututxline(3C) writes.
func pipeFile(string) string { return "/var/run/utmppipe" }
