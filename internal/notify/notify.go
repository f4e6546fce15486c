// SPDX-License-Identifier: BSD-2-Clause

// Package notify reports when a file changes, or when another file takes its name.
package notify

import (
	"errors"
	"fmt"
)

// ErrUnsupported is the error on a system that does not report changes of files.
var ErrUnsupported = fmt.Errorf("notify: this system does not report file changes: %w", errors.ErrUnsupported)
