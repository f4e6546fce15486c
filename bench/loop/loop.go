// SPDX-License-Identifier: BSD-2-Clause

// Loop goes N times through a loop, to check how bench counts instructions.
package main

import (
	"os"
	"strconv"
)

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		os.Exit(2)
	}
	for n > 0 {
		n--
	}
	os.Exit(n)
}
