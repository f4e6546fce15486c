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

// childVar names what the test binary, run again, is to be.
const childVar = "UTMPD_TEST_CHILD"

func init() {
	if os.Getenv(childVar) == "leaderless" {
		runtime.LockOSThread() // main then runs on the process's first thread
	}
}

func TestMain(m *testing.M) {
	if child := os.Getenv(childVar); child != "" {
		os.Exit(beChild(child))
	}
	goroutines, files := runtime.NumGoroutine(), openFiles()
	status := m.Run()
	if f := flag.Lookup("test.fuzz"); f != nil && f.Value.String() != "" {
		os.Exit(status) // fuzzing leaves goroutines of its own
	}
	if !settles(func() bool { return runtime.NumGoroutine() <= goroutines && openFiles() <= files }) {
		fmt.Fprintf(os.Stderr, "left over: %d goroutines of %d, %d descriptors of %d\n",
			runtime.NumGoroutine(), goroutines, openFiles(), files)
		status = 1
	}
	os.Exit(status)
}

// openFiles counts this process's descriptors; 0 where that cannot be seen.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	n := 0
	for _, entry := range entries {
		// Go's own poller makes its two when first needed and keeps them.
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err == nil && target != "anon_inode:[eventpoll]" && target != "anon_inode:[eventfd]" {
			n++
		}
	}
	return n
}

// settles waits until what goroutines and children do by themselves is done.
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
