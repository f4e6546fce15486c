// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package proc

import (
	"errors"
	"fmt"
	"os"
)

// Activities tells which terminal lines exist and when they were used. Who uses them is
// unknown: if any exists, the error wraps errors.ErrUnsupported.
func Activities(names []string) (map[string]Activity, error) {
	seen := make(map[string]Activity, len(names))
	var err error
	for _, name := range names {
		path, ok := linePath(name)
		if !ok {
			seen[name] = Activity{}
			continue
		}
		info, failed := os.Stat(path)
		if failed != nil || info.Mode()&os.ModeCharDevice == 0 {
			seen[name] = Activity{}
			continue
		}
		seen[name] = Activity{Exists: true, Used: accessed(info)}
		err = fmt.Errorf("proc: activity on terminals: %w", errors.ErrUnsupported)
	}
	return seen, err
}

// Logins returns no sessions: there is no logind.
func Logins() ([]Login, error) { return nil, nil }
