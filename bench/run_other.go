// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package main

import (
	"fmt"
	"io"
)

func run(_ []string, _, stderr io.Writer) int {
	fmt.Fprintln(stderr, "bench: this system has no pidfds; run bench on Linux")
	return 1
}
