// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"io"

	"utmpd.dev/utmpd/internal/utillinux"
	"utmpd.dev/utmpd/internal/version"
)

// Called runs the program by whose name it was called, which is [Main] for all names but
// those of util-linux, and returns its exit status.
func Called(argv []string, stdin io.Reader, stdout, stderr io.Writer) int {
	setLocal()
	if utillinux.Has(argv[0]) {
		return utillinux.Run(argv, version.String(), stdin, stdout, stderr)
	}
	return Main(argv[1:], stdout, stderr)
}
