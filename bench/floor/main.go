// SPDX-License-Identifier: BSD-2-Clause

// Floor does what a program that keeps utmp true cannot do without, and nothing
// else: bench measures utmpd beside it. It reads the file once, opens a pidfd for
// each session and reads its /proc/PID/stat. For each death it locks utmp, reads
// the record, compares, writes it, unlocks; locks wtmp, appends, unlocks.
//
// It looks at no later login, no terminal, no logout that is there already; it has
// no grace, no log, no status, and it ends at the first error.
//
//	floor [-sync] UTMP WTMP
//
// With -sync it syncs both files once for each batch of deaths.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }
