// SPDX-License-Identifier: BSD-2-Clause

// Command utmpfleet sends the events of a machine to a server, and asks of all machines who
// is on, who was, and which crashed. See docs/fleet.md.
package main

import (
	"os"

	"utmpd.dev/utmpd/fleet/internal/fleetctl"
)

func main() { os.Exit(fleetctl.Main(os.Args[1:], os.Stdout, os.Stderr)) }
