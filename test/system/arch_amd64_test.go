// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Test386 runs the daemon for 32 bits under the kernel for 64, as on a machine whose
// userland is older. It has all rights, or those of RUN_AS, and its sandbox.
func Test386(t *testing.T) {
	parallel(t)
	for _, c := range []struct{ name, runAs string }{{"root", ""}, {"RUN_AS", ownUser}} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			makeUser(t)
			configure(t, "RUN_AS="+c.runAs, "WTMPX_UPDATE_FREQ=1")
			start := func() *utmpd {
				cmd := exec.Command(utmpd386Binary, "-foreground", "-config", configFile)
				cmd.SysProcAttr = new(syscall.SysProcAttr)
				return startUtmpdBy(t, cmd)
			}
			p := &pair{d: start()}
			exe := readFile(t, fmt.Sprintf("/proc/%d/exe", p.d.cmd.Process.Pid))
			if exe[4] != 1 { // ELFCLASS32
				t.Fatalf("not a program for 32 bits: % x", exe[:8])
			}
			everyThread(t, p.d.cmd.Process.Pid, func(status string) {
				if !strings.Contains(status, "\nNoNewPrivs:\t1\n") || !strings.Contains(status, "\nSeccomp:\t2\n") {
					t.Errorf("a thread without the filter:\n%s", status)
				}
			})
			if strings.Contains(p.d.logged(), "without a part of the sandbox") {
				t.Error("the sandbox is not complete")
			}
			p.sessions(t)
			beats(t)
			reused := dwell(t, "x/4")
			awaitSaved(t, p.lives, p.dies, reused)
			p.d.kill()
			died := reused.kill(t)
			other := reincarnate(t, int(reused.entry.PID))
			p.d = start()
			waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, "x/4") })
			reused.mustGo(t, death{died.from, time.Now()})
			if !alive(other.Process.Pid) {
				t.Error("the pid was not in use while utmpd judged")
			}
			p.mustHold(t, p.dies.kill(t))
			if _, err := os.Stat("/run/utmpd/table"); err != nil {
				t.Error(err)
			}
		})
	}
}
