// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package daemon

import (
	"errors"
	"log/slog"
)

// What this process may do is not found out beforehand here; what fails says so.

func writable(string) error { return nil }
func ownerOf(string) error  { return nil }

func notTold() []string { return []string{"learn how processes end"} }

// becomeUser is for Linux alone.
func becomeUser(account, *slog.Logger) error {
	return errors.New("RUN_AS is not supported on this system: have the service manager set the user")
}
