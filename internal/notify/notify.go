// SPDX-License-Identifier: BSD-2-Clause

// Package notify reports when a file changes, or when another file takes its name.
package notify

import "errors"

// ErrUnsupported is the error on a system that does not report changes of files.
var ErrUnsupported = errors.New("notify: this system does not report file changes")
