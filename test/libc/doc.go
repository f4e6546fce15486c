// SPDX-License-Identifier: BSD-2-Clause

// Package libc tests packages utmpx and utmpfile against real C libraries.
//
// C programs call pututxline, getutxid, getutxline, getutxent, updwtmpx, login and
// logout on files that this project's code reads and writes at the same time. Each test
// runs once for each available machine:
//
//	cd test/libc && go test -count=1 -tags system
//
// uses the C libraries of Debian 12 and Debian 13 from the root file systems of
// ../rootfs, whose compiler also compiles the programs. It uses no files of the machine.
// Only login and logout need root: they always use the system's files, so they run in a
// root of their own.
//
// ../arch/run.sh runs the same tests under emulation for machines with other byte orders
// and word sizes.
package libc
