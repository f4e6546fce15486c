// SPDX-License-Identifier: BSD-2-Clause

// Command utmpd keeps login session records correct. See utmpd(8).
package main

import (
	"os"

	"utmpd.dev/utmpd/internal/daemon"
)

func main() { os.Exit(daemon.Main(os.Args[1:], os.Stdout, os.Stderr)) }
