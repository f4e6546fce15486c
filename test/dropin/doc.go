// SPDX-License-Identifier: BSD-2-Clause

// Package dropin compares the programs of internal/utillinux with the real ones, of
// util-linux 2.38 in Debian 12 and 2.41 as Debian 13 would have it: random files, random
// options, and each way to call them that a table lists. Both sides run in the same root
// file system, the real one as a process for each call, ours in the test's process. What
// differs on purpose is in differences_test.go, each with its reason.
//
//	go test -tags system ./test/dropin -args -dropin.n 20000 -dropin.seed 7
//
// A seed gives the same files and options again. A failure prints both outputs and how to
// repeat it.
package dropin
