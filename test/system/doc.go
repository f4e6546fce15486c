// SPDX-License-Identifier: BSD-2-Clause

// Package system tests utmpd with real programs on the real kernel.
//
// Each test runs in a guest: mount, pid, uts, ipc and net namespaces over a
// cached Debian root file system (see ../rootfs), with its own utmp and wtmp. A
// test's body is an ordinary Go function; [enter] runs the test binary again
// inside the guest. There the machine's files are out of reach, and nothing
// outlives the test. The guests need root, a Debian machine and overlayfs, so the
// tests have the build tag "system":
//
//	cd test/system && go test -tags system -parallel 12 -timeout 30m
//
// The whole run is sealed (see ../sealed), so that the machine's files stay read-only
// outside the guests, too.
//
// When run in this directory without a package argument, go test prints the table
// of programs and cases that programs_test.go defines. It also names each test
// that could not run, with the reason; with CI=true or
// UTMPD_TEST_REQUIRE_SYSTEM=1 that is a failure. In every guest the results are
// checked with who and last of Debian 12.
package system
