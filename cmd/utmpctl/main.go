// SPDX-License-Identifier: BSD-2-Clause

// Command utmpctl records and reports boots, crashes and shutdowns. See utmpctl(8).
package main

import (
	"os"

	"utmpd.dev/utmpd/internal/ctl"
)

func main() { os.Exit(ctl.Main(os.Args[1:], os.Stdout, os.Stderr)) }
