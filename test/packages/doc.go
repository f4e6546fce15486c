// SPDX-License-Identifier: BSD-2-Clause

// Package packages tests the packages, which it builds once per run, and their services.
// lintian, rpm and systemd-analyze check them. They are installed, upgraded and removed
// in Debian root file systems (see ../rootfs), and started by a real systemd as process 1
// of its own namespaces, which is booted, crashed and shut down (guest.sh). The tests
// need root, a Debian machine, overlayfs and cgroup2, so they have the build tag
// "system":
//
//	cd test/packages && go test -tags system
//
// They are sealed (see ../sealed): they cannot change the machine, and nothing outlives
// them. Only the go command's caches and the cgroups are writable. With CI=true or
// UTMPD_TEST_REQUIRE_SYSTEM=1 a test that cannot run is a failure.
package packages
