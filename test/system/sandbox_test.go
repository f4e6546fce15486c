// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// everyThread calls f with the status of each thread of a process.
func everyThread(t *testing.T, pid int, f func(status string)) {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		f(string(readFile(t, fmt.Sprintf("/proc/%d/task/%s/status", pid, task.Name()))))
	}
}

// TestSandbox checks that utmpd, even as root, cannot start a program, create a
// network socket, or access a file outside its directories.
func TestSandbox(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	p := beside(t)
	everyThread(t, p.d.cmd.Process.Pid, func(status string) {
		for _, want := range []string{"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"} {
			if !strings.Contains(status, want) {
				t.Errorf("a thread without %q", want)
			}
		}
	})
	if strings.Contains(p.d.logged(), "without a part of the sandbox") {
		t.Error("the sandbox is not complete")
	}
	if !strings.Contains(p.d.logged(), "running as root: ") {
		t.Error("nothing says that root's process is hardly confined")
	}
	// If root changes a link after the start, the new target is out of reach until
	// utmpd is restarted.
	const moved, link = "/root/utmp", utmpFile + ".link"
	writeLog(t, moved, readFile(t, utmpFile))
	if err := os.Symlink(moved, link); err != nil {
		t.Fatal(err)
	}
	exchange(t, utmpFile, link)
	p.d.waitLog(t, "cannot read the utmpx file", "permission denied")
	died := p.dies.kill(t)
	p.d.stop(t)
	p.d = startUtmpdAs(t, nil)
	waitFor(t, generous, "who to stop showing the dead session", func() bool {
		for _, r := range records(t, moved) {
			if r == p.dies.entry {
				return false
			}
		}
		return true
	})
	if err := os.Rename(moved, utmpFile+".back"); err == nil {
		t.Error("both are on the same file system")
	}
	if err := os.Remove(utmpFile); err != nil {
		t.Fatal(err)
	}
	writeLog(t, utmpFile, readFile(t, moved))
	died.to = time.Now()
	p.mustHold(t, died)
}

// TestMountedOver mounts a file system over one of utmpd's directories. utmpd must
// log it and exit with a failure, and the next one must work there.
func TestMountedOver(t *testing.T) {
	parallel(t)
	for _, c := range []struct{ name, dir, says string }{
		{"RUN_DIR", "/run/utmpd", "pid file or its directory was removed or replaced"},
		{"STATE_DIR", "/var/lib/utmpd", "/var/lib/utmpd was replaced or mounted over"},
		{"wtmp's directory", "/var/log", "/var/log was replaced or mounted over"},
		{"utmp's directory", "/run", "pid file or its directory was removed or replaced"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			p := beside(t, "SCAN_PERIOD=1")
			if err := unix.Mount("tmpfs", c.dir, "tmpfs", 0, "mode=0755"); err != nil {
				t.Fatal(err)
			}
			select {
			case <-p.d.done:
			case <-time.After(generous):
				t.Fatal("utmpd continues to run")
			}
			if code := p.d.cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("utmpd ended with %d", code)
			}
			p.d.waitLog(t, "utmpd ends", c.says)
			died := p.dies.kill(t)
			if err := unix.Unmount(c.dir, 0); err != nil {
				t.Fatal(err)
			}
			p.d = startUtmpdAs(t, nil)
			waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, p.dies.entry.Line) })
			died.to = time.Now()
			p.mustHold(t, died)
		})
	}
}
