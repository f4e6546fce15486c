// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package daemon

import (
	"errors"
	"log/slog"
)

// These systems do not say beforehand what a process may do; what fails is logged.

func writable(string) error { return nil }
func ownerOf(string) error  { return nil }

func kernelLacks() []string { return []string{"learn how processes end"} }

// becomeUser is for Linux alone.
func becomeUser(account, *slog.Logger) error {
	return errors.New("RUN_AS is not supported on this system: have the service manager set the user")
}
