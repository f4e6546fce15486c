// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package sandbox

// Enter does nothing: only Linux has seccomp and Landlock.
func Enter(Dirs) (*Box, []error) { return nil, nil }
