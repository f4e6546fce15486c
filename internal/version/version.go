// SPDX-License-Identifier: BSD-2-Clause

// Package version tells what was built.
package version

import (
	"cmp"
	"runtime/debug"
	"sync"
)

// version is set by the build (-ldflags -X).
var version string

// String returns what the build was given, or what Go knows of the module.
func String() string { return cmp.Or(version, module()) }

var module = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
})
