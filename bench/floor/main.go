// SPDX-License-Identifier: BSD-2-Clause

// Floor does only the unavoidable work of a program that keeps utmp correct; bench
// compares utmpd with it. It reads the file once, opens a pidfd for each session and reads
// its /proc/PID/stat. For each death it locks utmp, reads, compares and writes the record,
// and unlocks; locks wtmp, appends, and unlocks.
//
// It does not check for a later login, a terminal or an existing logout. It has no grace
// period, no log and no status, and ends at the first error.
//
//	floor [-sync] UTMP WTMP
//
// With -sync it syncs both files once for each batch of deaths.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }
