// SPDX-License-Identifier: BSD-2-Clause

// Package packages tests what is shipped: the packages, built once for the run,
// and the services in them. They are judged by lintian, rpm and systemd-analyze,
// installed, upgraded and removed in root file systems of Debian (see ../rootfs),
// and started by a real systemd, process 1 of namespaces of its own, which is
// booted, crashed and shut down (guest.sh). It needs root, a Debian machine,
// overlayfs and cgroup2, so it stands behind the build tag "system":
//
//	cd test/packages && go test -tags system
//
// Nothing of the machine is changed, and nothing outlives a test. With CI=true or
// UTMPD_TEST_REQUIRE_SYSTEM=1 what could not be run is a failure.
package packages
