// SPDX-License-Identifier: BSD-2-Clause

// How many processors there are is looked up at the start, not each second at work.
//go:debug updatemaxprocs=0

// Command utmpd keeps login session records correct. See utmpd(8).
package main

import (
	"os"

	"utmpd.dev/utmpd/internal/daemon"
)

func main() { os.Exit(daemon.Main(os.Args[1:], os.Stdout, os.Stderr)) }
