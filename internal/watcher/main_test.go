// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func TestMain(m *testing.M) {
	goroutines, files := runtime.NumGoroutine(), openFiles()
	status := m.Run()
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > goroutines || openFiles() > files {
		if time.Now().After(deadline) {
			fmt.Fprintf(os.Stderr, "leaked: %d goroutines (%d at the start), %d descriptors (%d at the start)\n",
				runtime.NumGoroutine(), goroutines, openFiles(), files)
			status = 1
			break
		}
		runtime.Gosched()
	}
	os.Exit(status)
}

// openFiles counts this process's open descriptors, except those of the Go
// runtime's poller, which opens them at its first use. It returns 0 without
// /proc/self/fd.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	n := 0
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err == nil && target != "anon_inode:[eventpoll]" && target != "anon_inode:[eventfd]" {
			n++
		}
	}
	return n
}
