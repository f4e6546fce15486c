// SPDX-License-Identifier: BSD-2-Clause

// Package vm sees utmpd on whole machines: Debian under its own kernel, in a
// software emulation of a PC, with the package installed, logins, power cuts and
// reboots. The tests stand behind the build tag "system":
//
//	make test-vm
//
// Each row of the matrix is a machine of its own: a system, its kernel, and the
// mount option of /var. It works on throw-away overlays of cached images (see
// images.sh) and is told what to do by way of a serial port of its own (see
// agent). Nothing of the host is used but Go, apt, dpkg-deb and perl, nothing is
// installed, and two runs side by side do not meet.
//
// What was seen is written to docs/testing.md, between its markers: -run
// Machines/debian13 sees one row again and leaves the others. A cell that is
// missing is a failure.
package vm
