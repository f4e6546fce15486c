// SPDX-License-Identifier: BSD-2-Clause

// Package version has the version of this build.
package version

import (
	"cmp"
	"runtime/debug"
	"sync"
)

// version is set at build time (-ldflags -X).
var version string

// String returns the version set at build time, else that of the Go module, else
// "(unknown)".
func String() string { return cmp.Or(version, module()) }

var module = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
})
