// SPDX-License-Identifier: BSD-2-Clause

// Command utmpfleet-server keeps the events of a fleet of machines. See docs/fleet.md.
package main

import (
	"os"

	"utmpd.dev/utmpd/fleet/internal/server"
)

func main() { os.Exit(server.Main(os.Args[1:], os.Stdout, os.Stderr)) }
