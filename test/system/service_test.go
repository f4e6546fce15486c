// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command runs utmpd to completion and returns its exit status and its output.
func command(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(utmpdBinary, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// running returns the pid of a running utmpd, or 0.
func running() int {
	for _, p := range processes() {
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.pid))
		if filepath.Base(exe) == "utmpd" && p.state != "Z" {
			return p.pid
		}
	}
	return 0
}

// TestDetach checks that without options the command returns 0 as soon as the daemon
// is ready, not before, and that the daemon has left the terminal.
func TestDetach(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	configure(t)
	w := dwell(t, "x/1")
	status, stdout, stderr := command(t)
	// There is no /dev/log here.
	nowhere := strings.Contains(stderr, "the log goes nowhere") && strings.Count(stderr, "\n") == 1
	if status != 0 || stdout != "" || !nowhere {
		t.Fatalf("utmpd: status %d\n%s%s", status, stdout, stderr)
	}
	pid := running()
	if pid == 0 {
		t.Fatal("utmpd is not running")
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	p, _ := readProcess(pid)
	if p.tty != 0 || p.parent != 1 || p.session == os.Getpid() {
		t.Errorf("utmpd has not left its terminal: %+v", p)
	}
	// It is ready: processes that die from now on were watched.
	died := w.kill(t)
	w.mustGo(t, died)

	status, _, stderr = command(t)
	if status == 0 || !strings.Contains(stderr, fmt.Sprint(pid)) {
		t.Errorf("a second utmpd: status %d, on standard error %q, which should name %d", status, stderr, pid)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, generous, "utmpd to end on SIGTERM", func() bool { return !alive(pid) })
}

// TestSecondInstance checks that only one utmpd runs at a time, also in the
// foreground, and that a second one does not disturb the first.
func TestSecondInstance(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	status, _, stderr := command(t, "-foreground", "-config", configFile)
	if pid := fmt.Sprint(d.cmd.Process.Pid); status == 0 || !strings.Contains(stderr, pid) {
		t.Errorf("a second utmpd: status %d, on standard error %q, which should name %s", status, stderr, pid)
	}
	w := dwell(t, "x/1")
	w.watched(t, d)
	w.mustGo(t, w.kill(t))
	d.stop(t)
	startUtmpdAs(t, nil).stop(t)
}

// TestNotReady checks that a daemon that cannot start reports the reason to its
// caller and to syslog.
func TestNotReady(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	syslog := listenAsSyslog(t)
	configure(t, "RUN_AS=nobodyhere")
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "unknown user nobodyhere"},
		{[]string{"-config", "/nonexistent"}, "/nonexistent: no such file"},
	} {
		status, _, stderr := command(t, c.args...)
		if status == 0 || !strings.Contains(stderr, c.says) {
			t.Errorf("utmpd %v: status %d, on standard error %q", c.args, status, stderr)
		}
		waitFor(t, generous, "the reason in syslog", func() bool {
			return strings.Contains(syslog(), c.says) && strings.Contains(syslog(), "<27>") // daemon.err
		})
		if pid := running(); pid != 0 {
			t.Errorf("process %d is still there", pid)
		}
	}
}

// TestCheck checks that -check reads the file that utmpd would read, and reports a
// missing one.
func TestCheck(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	if err := os.RemoveAll(configFile); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{": missing; all keys have their defaults\n", ": no faults\n"} {
		status, stdout, stderr := command(t, "-check")
		if status != 0 || stdout != configFile+says || stderr != "" {
			t.Errorf("utmpd -check: status %d, %q %q, want %q", status, stdout, stderr, says)
		}
		configure(t, "SCAN_PERIOD=10")
	}
	configure(t, "", "SCAN_PERIOD=0")
	if status, _, stderr := command(t, "-check"); status != 1 || !strings.Contains(stderr, configFile+":2: SCAN_PERIOD") {
		t.Errorf("utmpd -check: status %d, %q", status, stderr)
	}
}

// TestOrdinaryUser checks that utmpd works as an ordinary user in the group utmp with
// its own directories, and logs what it cannot do.
func TestOrdinaryUser(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	const uid = 900
	for _, dir := range []string{"/run/utmpd", "/var/lib/utmpd"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	configure(t)
	d := startUtmpdAs(t, &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{utmpGroup}})
	w, lives := dwell(t, "x/1"), dwell(t, "x/2")
	w.watched(t, d)
	w.mustGo(t, w.kill(t))
	lives.mustStand(t)
	d.waitLog(t, "access time")
	d.stop(t)
}

// TestDryRun checks that -n logs what it would clean and writes to neither file.
func TestDryRun(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	configure(t)
	d := startUtmpdAs(t, nil, "-n")
	w := dwell(t, "x/1")
	w.watched(t, d)
	utmp, wtmp := readFile(t, utmpFile), readFile(t, wtmpFile)
	w.kill(t)
	d.waitLog(t, "line=x/1", "user=alice", fmt.Sprintf("pid=%d", w.entry.PID))
	holds(t, 500*time.Millisecond, "utmp and wtmp as they were", func() bool {
		return bytes.Equal(utmp, readFile(t, utmpFile)) && bytes.Equal(wtmp, readFile(t, wtmpFile))
	})
	d.stop(t)
}

// TestLogOfEnd checks that each cleaned session is one event with all fields.
func TestLogOfEnd(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	w := dwell(t, "x/1")
	w.watched(t, d)
	w.mustGo(t, w.kill(t))
	event := d.waitLog(t, `msg="session ended"`, "line=x/1", "user=alice", fmt.Sprintf("pid=%d", w.entry.PID), "login=", "end=", "exit=")
	if n := strings.Count(d.logged(), "session ended"); n != 1 {
		t.Errorf("%d events for one session", n)
	}
	if !strings.Contains(event, `exit="signal KILL"`) {
		t.Errorf("the event does not say how the process ended: %s", event)
	}
}
