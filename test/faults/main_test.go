// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux && amd64

package faults

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// host is what all worlds share.
var host struct {
	dir     string // of this run
	utmpd   string // the daemon under test
	spawner chan<- func()
	workers chan struct{} // holds one for each world in use
}

var (
	long    = flag.Bool("long", os.Getenv("UTMPD_TEST_LONG") == "1", "try every point")
	workers = flag.Int("workers", 40, "worlds at one time; most of each is waiting")
	only    = flag.String("point", "", "try this point alone, as a failure names it")
	seed    = flag.Uint64("seed", 0, "of the sample, 0 for a random one")
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // the workers limit them, not the number of processors
	dir, err := os.MkdirTemp("", "utmpd-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(func() int {
		defer os.RemoveAll(dir)
		host.dir, host.utmpd, host.spawner = dir, filepath.Join(dir, "utmpd"), spawner()
		host.workers = make(chan struct{}, max(1, *workers))
		build := exec.Command("go", "build", "-o", host.utmpd, "utmpd.dev/utmpd/cmd/utmpd")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build ./cmd/utmpd: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}
