// SPDX-License-Identifier: BSD-2-Clause

// Package libc holds packages utmpx and utmpfile against real C libraries.
//
// C programs call pututxline, getutxid, getutxline, getutxent, updwtmpx, login
// and logout on files that this project's code reads and writes at the same
// time. Each test runs once for each machine there is:
//
//	cd test/libc && go test -count=1 -tags system
//
// uses the libc of Debian 12 and of Debian 13, out of the root file systems of
// ../rootfs, whose compiler also compiles the programs. Nothing of the machine
// is used, and root only for login and logout, which know no files but the
// system's and so run in a root of their own.
//
// ../arch/run.sh uses the same tests for machines of other byte orders and word
// sizes, under emulation.
package libc
