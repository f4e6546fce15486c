// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// childVar is the environment variable with the kind of child that this test
// binary is to be.
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
	goroutines, files := runtime.NumGoroutine(), openFiles()
	status := m.Run()
	if f := flag.Lookup("test.fuzz"); f != nil && f.Value.String() != "" {
		os.Exit(status) // fuzzing leaves goroutines running
	}
	if !settles(func() bool { return runtime.NumGoroutine() <= goroutines && openFiles() <= files }) {
		fmt.Fprintf(os.Stderr, "leaked: %d goroutines (%d at the start), %d descriptors (%d at the start)\n",
			runtime.NumGoroutine(), goroutines, openFiles(), files)
		status = 1
	}
	os.Exit(status)
}

// openFiles counts this process's open descriptors. It returns 0 without
// /proc/self/fd.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	n := 0
	for _, entry := range entries {
		// The Go runtime's poller opens two at its first use and keeps them.
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err == nil && target != "anon_inode:[eventpoll]" && target != "anon_inode:[eventfd]" {
			n++
		}
	}
	return n
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
