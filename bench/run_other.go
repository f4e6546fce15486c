// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package main

import (
	"fmt"
	"io"
)

func run(_ []string, _, stderr io.Writer) int {
	fmt.Fprintln(stderr, "bench: it needs the pidfds and the /proc of Linux")
	return 1
}
