// SPDX-License-Identifier: BSD-2-Clause

// Bench measures what utmpd costs and how the costs grow with the number of sessions. It
// uses real processes and private files, and compares utmpd with a program that does only
// the unavoidable work (bench/floor), alternately. docs/performance.md explains the
// figures.
//
//	bench [-quick] [-case one,all,...] [-n 100,1000,...] [-runs 5] [-json FILE]
//	      [-md FILE] [-reading FILE] [-compared FILE] [-peer 'COMMAND'] [-ram DIR] [-disk DIR] UTMPD FLOOR
//	bench -count ROOT [-runs 5] [-idle 1m] [-md FILE] DIR
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }
