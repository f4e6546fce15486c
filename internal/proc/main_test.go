// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"runtime"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/leaktest"
)

// childVar is the environment variable with the kind of child that the test
// binary becomes.
const childVar = "UTMPD_TEST_CHILD"

func init() {
	if os.Getenv(childVar) == "leaderless" {
		runtime.LockOSThread() // keeps main on the process's first thread
	}
}

func TestMain(m *testing.M) {
	if child := os.Getenv(childVar); child != "" {
		os.Exit(beChild(child))
	}
	os.Exit(leaktest.Main(m))
}

// settles waits for condition, up to 10 seconds, and reports whether it holds.
func settles(condition func() bool) bool {
	deadline := time.Now().Add(10 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			return false
		}
		runtime.Gosched()
	}
	return true
}
