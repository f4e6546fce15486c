// SPDX-License-Identifier: BSD-2-Clause

// Package cases builds what was reported of real machines, byte by byte, and runs the
// built programs on it: odd sessions, boots that clocks tell wrongly, damaged files.
// Each case has its own mount and pid namespaces and its own terminals. Run it as root
// with `go test -tags system`.
package cases
