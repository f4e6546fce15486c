// SPDX-License-Identifier: BSD-2-Clause

// Package faults kills utmpd before and after every file, lock and process call
// that it makes itself, and makes each of them fail, and then holds the files to
// the laws of docs/architecture.md.
//
// A tracer (ptrace, with a seccomp filter that stops the calls of interest and
// no other) runs the daemon on files and processes of a test's own, and counts
// its calls by kind: what is called, and on what, as in "pwrite64 utmp", over
// all threads, from the opening of the configuration on, in three phases: start,
// work, end. What the Go runtime calls for itself is told apart: it may end the
// daemon, and then the restart heals. From runs in which nothing is done to it comes the plan:
// every kind, every number, before and after. A point counts only once it was
// hit; the test says which were, and fails if one was not.
//
// It needs Linux on amd64, no root, and no network:
//
//	go test -tags system ./test/faults
//	go test -tags system ./test/faults -long -timeout 2h
//
// Without -long (or UTMPD_TEST_LONG=1) a sample of points is tried, some of
// every kind. -point "work/pwrite64 utmp/2/after kill" tries that one.
package faults
