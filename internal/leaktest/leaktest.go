// SPDX-License-Identifier: BSD-2-Clause

// Package leaktest checks that a package's tests leave no descriptors and
// goroutines behind. Only tests import it.
package leaktest

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// patience is how long goroutines may take to end after the tests.
const patience = 5 * time.Second

// Main runs the tests of a package and returns the exit status for TestMain. It
// is 1 also if there are more descriptors or goroutines after the tests than
// before. While fuzzing, which leaves goroutines running, Main does not check.
func Main(m interface{ Run() int }) int {
	warm()
	fds, goroutines := descriptors(), runtime.NumGoroutine()
	code := m.Run()
	if f := flag.Lookup("test.fuzz"); code != 0 || f != nil && f.Value.String() != "" {
		return code
	}
	left := func() bool { return len(descriptors()) > len(fds) || runtime.NumGoroutine() > goroutines }
	for end := time.Now().Add(patience); left() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if !left() {
		return 0
	}
	fmt.Fprintf(os.Stderr, "leaktest: descriptors before %v, after %v; goroutines before %d, after %d\n",
		fds, descriptors(), goroutines, runtime.NumGoroutine())
	stacks := make([]byte, 1<<16)
	os.Stderr.Write(stacks[:runtime.Stack(stacks, true)])
	return 1
}

// warm makes the Go runtime open its poller, which it never closes.
func warm() {
	r, w, err := os.Pipe()
	if err != nil {
		return
	}
	r.Close()
	w.Close()
}

// descriptors returns the open descriptors with their targets; nil without
// /proc/self/fd.
func descriptors() []string {
	dir := "/proc/self/fd"
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var open []string
	for _, n := range names {
		to, err := os.Readlink(dir + "/" + n)
		if err == nil && !strings.HasSuffix(to, "/fd") {
			open = append(open, n+" "+to)
		}
	}
	return open
}
