// SPDX-License-Identifier: BSD-2-Clause

package receiver

import "path/filepath"

// DefaultPath is where the named pipe is unless configured otherwise: in RUN_DIR.
func DefaultPath(runDir string) string { return filepath.Join(runDir, "utmppipe") }
