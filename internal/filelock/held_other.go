// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux && !solaris

package filelock

import (
	"errors"
	"fmt"
	"os"
)

// Held reports that it is not known whether another open file has a lock on f.
func Held(f *os.File) (bool, error) {
	return false, fmt.Errorf("filelock: %s: %w", f.Name(), errors.ErrUnsupported)
}
