// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux && amd64

package faults

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"utmpd.dev/utmpd/test/sealed"
)

// host is what all worlds share.
var host struct {
	dir     string // of this run
	utmpd   string // the daemon under test
	utmpctl string
	spawner chan<- func()
	workers chan struct{} // holds one for each world in use
}

var (
	long    = flag.Bool("long", os.Getenv("UTMPD_TEST_LONG") == "1", "try every point")
	workers = flag.Int("workers", 12, "worlds at one time; each waits, and the more there are, the later each daemon learns")
	only    = flag.String("point", "", "try this point alone, as a failure names it")
	seed    = flag.Uint64("seed", 0, "of the sample, 0 for a random one")
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // the workers limit them, not the number of processors
	if dir := sealed.Dir(); dir != "" {
		host.dir, host.utmpd, host.utmpctl, host.spawner = dir, filepath.Join(dir, "utmpd"), filepath.Join(dir, "utmpctl"), spawner()
		host.workers = make(chan struct{}, max(1, *workers))
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "utmpd-faults-")
	if err == nil {
		err = sealed.Build(dir, "cmd/utmpd", "cmd/utmpctl")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	os.Exit(sealed.Run(dir))
}

func TestSealed(t *testing.T) { sealed.Test(t) }
