// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package main

import (
	"fmt"
	"io"
)

func run(_ []string, stderr io.Writer) int {
	fmt.Fprintln(stderr, "floor: this system has no pidfds; run floor on Linux")
	return 1
}
