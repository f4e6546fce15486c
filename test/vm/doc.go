// SPDX-License-Identifier: BSD-2-Clause

// Package vm tests utmpd on whole machines: Debian with its own kernel, in a software
// emulation of a PC, with the package installed, logins, power cuts and reboots. The
// tests have the build tag "system":
//
//	make test-vm
//
// Each row of the matrix is a separate machine: a system, its kernel, and the mount option
// of /var, or /var on the root file system, where init writes before any script runs. It
// uses temporary overlays of cached images (see images.sh) and receives commands through
// its own serial port (see agent). Of the host the tests use only Go, apt, dpkg-deb and
// perl. They install nothing, and two runs do not disturb each other.
//
// The results are written to docs/testing.md, between its markers. -run
// Machines/debian13 repeats one row and leaves the others. A missing cell is a failure.
package vm
