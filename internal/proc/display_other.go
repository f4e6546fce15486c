// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package proc

import (
	"errors"
	"fmt"

	"utmpd.dev/utmpd/internal/session"
)

// logindDir is where there is logind: on Linux alone.
const logindDir = ""

// witnesses reports for each display that who speaks for it is unknown: only Linux
// has logind, and shows the arguments of other users' programs.
func witnesses(_ string, asked []showing) map[showing]session.Witness {
	found := make(map[showing]session.Witness, len(asked))
	for _, q := range asked {
		found[q] = session.Witness{Unknown: true}
	}
	return found
}

// idle returns errors.ErrUnsupported: whose processes there are is unknown.
func idle([]string) (map[string]bool, error) {
	return nil, fmt.Errorf("proc: processes of users: %w", errors.ErrUnsupported)
}
