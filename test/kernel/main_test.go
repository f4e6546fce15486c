// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

// Package kernel tests utmpd on what is only in the machine's own pid namespace: the
// kernel's threads. utmpd sees the machine's processes. Its files are the test's own, and
// all others are read-only (see ../sealed). Run it as root with `go test -tags system`.
package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"utmpd.dev/utmpd/test/sealed"
)

func TestMain(m *testing.M) {
	if sealed.Dir() != "" {
		os.Exit(m.Run())
	}
	switch {
	case os.Geteuid() != 0:
		os.Exit(notRun("namespaces need root"))
	case len(threads()) < 3:
		os.Exit(notRun("this pid namespace has no kernel threads"))
	}
	dir, err := os.MkdirTemp("", "utmpd-kernel-")
	if err == nil {
		err = sealed.Build(dir, "cmd/utmpd")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	os.Exit(sealed.RunAmongAll(dir))
}

func TestSealed(t *testing.T) { sealed.Test(t) }

// notRun says why the tests do not run. That is a failure where they must.
func notRun(why string) int {
	fmt.Println("the tests of kernel threads were not run:", why)
	return sealed.NotRun()
}

// threads returns the pids of kernel threads in ascending order: kthreadd and those that
// it has started.
func threads() []int {
	if flags(2)&pfKthread == 0 {
		return nil
	}
	names, _ := filepath.Glob("/proc/[0-9]*")
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil && flags(pid)&pfKthread != 0 {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// pfKthread is PF_KTHREAD in the kernel's linux/sched.h.
const pfKthread = 0x00200000

// flags returns field 9 of /proc/PID/stat, 0 if there is no such process.
func flags(pid int) uint64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')'):]), " ")
	n, _ := strconv.ParseUint(strings.Fields(rest)[6], 10, 64)
	return n
}
