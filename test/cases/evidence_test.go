// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTwoRecordsOfOneLine has programs that choose different ids for one line. The
// ghost's terminal was given to somebody who lives.
func TestTwoRecordsOfOneLine(t *testing.T) {
	for _, test := range []struct{ name, ghost, live string }{
		{"a terminal emulator's and sshd's", "/", "ts/"},
		{"screen's and login's", "s/", "/"},
		{"sshd's and mosh's", "ts/", "/"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			alice, dead := newTerminal(t), gone(t)
			now, start := time.Now(), boot(machineBoot(t))
			file := x86.bytes(start,
				login("bob", alice.line, dead, now.Add(-10*time.Minute)).withID(test.ghost+alice.id()),
				login("alice", alice.line, alice.sshd.Process.Pid, now).withID(test.live+alice.id()))
			w := newWorld(t, file, file)
			w.start(t)
			w.cleaned(t, dead)
			w.judged(t)
			w.stays(t, alice.sshd.Process.Pid, alice.line)
		})
	}
}

// TestLoginWithinSession has a user who logs in again on the terminal of his session.
func TestLoginWithinSession(t *testing.T) {
	for _, test := range []struct{ name, id string }{{"login's id", ""}, {"a getty's id", "t"}} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			alice := newTerminal(t)
			now, start := time.Now(), boot(machineBoot(t))
			file := x86.bytes(start, login("alice", alice.line, alice.sshd.Process.Pid, now).withID("ts/"+alice.id()))
			w := newWorld(t, file, file)
			w.start(t)
			inner := filepath.Join(w.dir, "inner")
			fmt.Fprintf(alice.in, "sleep 60 & echo $! >%[1]s.new; mv %[1]s.new %[1]s; wait\n", inner)
			var pid int
			await(t, "the login", func() bool {
				b, err := os.ReadFile(inner)
				return err == nil && len(b) > 0 && scan(string(b), &pid)
			})
			w.add(t, login("bob", alice.line, pid, time.Now()).withID(test.id+alice.id()), w.utmp, w.wtmp)
			w.judged(t)
			w.stays(t, pid, alice.line)
			before := time.Now()
			syscall.Kill(pid, syscall.SIGKILL)
			w.cleaned(t, pid)
			out := w.loggedOut(t, alice.line)
			if out.at.Before(before.Add(-time.Second)) || out.at.After(before.Add(2*time.Second)) {
				t.Errorf("the logout is of %v, the death of %v", out.at, before)
			}
			w.judged(t)
			w.stays(t, alice.sshd.Process.Pid, alice.line)
		})
	}
}

// TestContainerWithTheHostsUtmp has the numbers of another pid namespace in the
// machine's file. The session lives.
func TestContainerWithTheHostsUtmp(t *testing.T) {
	for _, test := range []struct{ name, line, user string }{
		{"sshd", "pts/7", "carol"},
		{"no terminal", "ftpd", "root"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			start := x86.bytes(boot(machineBoot(t)))
			w := newWorld(t, start, start)
			// 120 processes begin and end first: the number names nobody outside.
			inside := filepath.Join(w.dir, "inside")
			container := exec.Command("/bin/sh", "-c", fmt.Sprintf("i=0; while [ $i -lt 120 ]; do /bin/true; i=$((i+1)); done; sleep 60 & echo $! >%[1]s.new; mv %[1]s.new %[1]s; wait", inside))
			container.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
			if err := container.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { end(t, container) })
			var pid int
			await(t, "the container's session", func() bool {
				b, err := os.ReadFile(inside)
				return err == nil && scan(string(b), &pid)
			})
			if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
				t.Fatalf("process %d exists outside the container too", pid)
			}
			w.add(t, login(test.user, test.line, pid, time.Now()), w.utmp, w.wtmp)
			w.start(t)
			w.judged(t)
			w.stays(t, pid, test.line)
		})
	}
}

func scan(s string, pid *int) bool {
	_, err := fmt.Sscan(s, pid)
	return err == nil
}
