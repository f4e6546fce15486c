// SPDX-License-Identifier: BSD-2-Clause

package config

import "path/filepath"

// pipeFile returns the default of PIPE_FILE: a name in RUN_DIR.
func pipeFile(runDir string) string { return filepath.Join(runDir, "utmppipe") }
