// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package proc

import (
	"errors"
	"fmt"
)

// Terminal is a pseudo terminal as it was when it was opened.
type Terminal struct{}

// HoldTerminal returns errors.ErrUnsupported: no portable call tells that a terminal is
// gone whose number is in use again.
func HoldTerminal(line string) (*Terminal, error) {
	return nil, fmt.Errorf("proc: hold %q: %w", line, errors.ErrUnsupported)
}

// Gone returns false: unknown.
func (t *Terminal) Gone() bool { return false }

// Owner returns 0.
func (t *Terminal) Owner() uint32 { return 0 }

// Close does nothing.
func (t *Terminal) Close() error { return nil }
