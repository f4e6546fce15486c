// SPDX-License-Identifier: BSD-2-Clause

// Package system tests utmpd with real programs on the real kernel.
//
// Each test runs in a guest: mount, pid, uts, ipc and net namespaces of its own
// over a cached root file system of Debian (see ../rootfs), with its own utmp
// and wtmp. A test's body is an ordinary Go function; [enter] runs the test
// binary again inside, where the machine's files cannot be reached and from
// where nothing outlives the test. The guests need root, a Debian machine and
// overlayfs, so the tests stand behind the build tag "system":
//
//	cd test/system && go test -tags system -parallel 6 -timeout 30m
//
// Run so, in this directory, go test prints the table of programs and cases
// that programs_test.go defines, and by name what could not be run and why. With
// CI=true or UTMPD_TEST_REQUIRE_SYSTEM=1 what could not be run is a failure. who
// and last, which judge, are Debian 12's in every guest.
package system
