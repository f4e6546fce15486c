// SPDX-License-Identifier: BSD-2-Clause

// Command utmpctl records and reports boots, crashes and shutdowns. See utmpctl(8). Called
// as last, lastb or utmpdump, it is that program.
package main

import (
	"os"

	"utmpd.dev/utmpd/internal/ctl"
)

func main() { os.Exit(ctl.Called(os.Args, os.Stdin, os.Stdout, os.Stderr)) }
