// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	osuser "os/user"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// contain starts a process in a pid namespace of its own, where it has that number, and
// returns its parent there, process 1.
func contain(t *testing.T, number int, how func(*syscall.SysProcAttr)) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", fmt.Sprintf("echo %d >/proc/sys/kernel/ns_last_pid; sleep infinity & echo $!; wait", number-1))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	how(cmd.SysProcAttr)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	sleeper(t, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if got := strings.TrimSpace(line); err != nil || got != strconv.Itoa(number) {
		t.Fatalf("the process has the number %q in its namespace, want %d (%v)", got, number, err)
	}
	return cmd
}

// TestContainer: a container has the machine's utmp file. Its records have the numbers of
// its own processes, which nobody has here.
func TestContainer(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	const number = 31_000
	inner := contain(t, number, func(*syscall.SysProcAttr) {})
	d := startUtmpd(t)
	w := record(t, "x/1", &exec.Cmd{Process: &os.Process{Pid: number}})
	d.waitLog(t, "session left alone", "line=x/1", "a process of another pid namespace has its number")
	sentinel := dwell(t, "x/2")
	sentinel.mustGo(t, sentinel.kill(t))
	w.mustStand(t)
	died := death{from: time.Now()}
	inner.Process.Kill()
	waitFor(t, generous, "the end of the container", func() bool { return !alive(inner.Process.Pid) })
	died.to = time.Now()
	w.mustGo(t, died)
}

// TestContainerWithYoungNamesake: the number of a container's session is that of a process
// here, too, which began just before the login. Its end is not the session's. A
// session of this machine without a terminal is cleaned as ever.
func TestContainerWithYoungNamesake(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	const number = 31_000
	inner := contain(t, number, func(*syscall.SysProcAttr) {})
	other := reincarnate(t, number)
	d := startUtmpd(t)
	w := record(t, "x/1", &exec.Cmd{Process: &os.Process{Pid: number}})
	w.watched(t, d)
	ftp := sleeper(t, exec.Command("sleep", "infinity"))
	here := record(t, fmt.Sprintf("ftpd%d", ftp.Process.Pid), ftp)
	here.watched(t, d)
	other.Process.Kill()
	d.waitLog(t, "session left alone", "line=x/1", "a process of another pid namespace has its number")
	here.mustGo(t, here.kill(t))
	w.mustStand(t)
	died := death{from: time.Now()}
	inner.Process.Kill()
	waitFor(t, generous, "the end of the container", func() bool { return !alive(inner.Process.Pid) })
	died.to = time.Now()
	w.mustGo(t, died)
}

// TestContainerOfUser: an ordinary user gives a process of his the number of a record in
// namespaces of his own. It may keep the record, but no end of it is the session's.
func TestContainerOfUser(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	alice, err := osuser.Lookup("alice")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(alice.Uid)
	if err != nil {
		t.Fatal(err)
	}
	const number = 31_000
	inner := contain(t, number, func(a *syscall.SysProcAttr) {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		a.Credential = &syscall.Credential{NoSetGroups: true} // root there, alice here
	})
	d := startUtmpd(t)
	w := record(t, "x/1", &exec.Cmd{Process: &os.Process{Pid: number}})
	d.waitLog(t, "session left alone", "line=x/1", "a process of another user namespace has its number")
	inner.Process.Kill()
	d.waitLog(t, "session left alone", "line=x/1", "whose end proves nothing")
	settle(t)
	w.mustStand(t)
}

// TestLoginWithinSession: bob logs in on the terminal of alice's session, as login(1) does
// when it is typed there. His end leaves hers alone, and hers does not keep his.
func TestLoginWithinSession(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	tm := openTerminal(t)
	slave, err := os.OpenFile("/dev/"+tm.line, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	shell := exec.Command("sh", "-c", "sleep infinity & echo $! >/run/inner; wait; sleep infinity")
	shell.Stdin, shell.Stdout, shell.Stderr = slave, slave, slave
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	sleeper(t, shell)
	inner := 0
	waitFor(t, generous, "bob's process", func() bool {
		b, _ := os.ReadFile("/run/inner")
		inner, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		return inner != 0
	})
	d := startUtmpd(t)
	hers := record(t, tm.line, shell)
	hers.watched(t, d)
	put(t, tm.line, "bob", "bob", inner)
	his := &dweller{entry: entryOf(t, inner)}
	his.watched(t, d)
	settle(t)
	died := death{from: time.Now()}
	syscall.Kill(inner, syscall.SIGKILL)
	waitFor(t, generous, "bob's record to be cleaned", func() bool {
		r := entryOf(t, inner)
		return r.Type == utmpx.DeadProcess
	})
	died.to = time.Now()
	within(t, "bob's end", entryOf(t, inner).Time.Time(), died)
	if r := entryOf(t, shell.Process.Pid); r.Type != utmpx.UserProcess || r.User != "alice" {
		t.Errorf("the record of the living session is %v", r)
	}
}

// put writes a session's record with the C library.
func put(t *testing.T, line, id, name string, pid int) {
	t.Helper()
	out, err := exec.Command("/run/put", fmt.Sprint(int(utmpx.UserProcess)), line, id, name, fmt.Sprint(pid), "0").CombinedOutput()
	if err != nil {
		t.Fatalf("put: %v\n%s", err, out)
	}
}

// entryOf returns the record of a process.
func entryOf(t *testing.T, pid int) utmpx.Record {
	t.Helper()
	for _, r := range records(t, utmpFile) {
		if int(r.PID) == pid {
			return r
		}
	}
	t.Fatalf("utmp has no record of process %d", pid)
	return utmpx.Record{}
}
