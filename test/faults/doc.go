// SPDX-License-Identifier: BSD-2-Clause

// Package faults kills utmpd before and after every file, lock and process call that
// it makes, makes each of these calls fail, and then checks the files against the laws
// of docs/architecture.md.
//
// A tracer (ptrace, with a seccomp filter that stops only the calls of interest) runs
// the daemon on private files and processes. It counts the daemon's calls by kind, such
// as "pwrite64 utmp", over all threads, from the opening of the configuration, in three
// phases: start, work, end. Calls that the Go runtime makes for itself are separate
// kinds: an error in one may end the daemon, and the restart must then repair the
// files. Runs without faults give the plan: every kind, every number, before and after.
// A point counts only if it was hit; the test reports the points that were not hit, and
// fails if there are any.
//
// The same is done to `utmpctl repair`: whatever happens to it, one of the two whole files
// is there, and another repair ends what it began.
//
// It needs Linux on amd64, and neither root nor a network:
//
//	go test -tags system ./test/faults
//	go test -tags system ./test/faults -long -timeout 2h
//
// Without -long (or UTMPD_TEST_LONG=1) it tries a sample of the points, some of every
// kind. -point "work/pwrite64 utmp/2/after kill" tries that one.
package faults
