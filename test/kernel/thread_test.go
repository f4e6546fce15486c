// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package kernel

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/test/sealed"
	"utmpd.dev/utmpd/utmpx"
)

// TestKernelThreads has records whose ut_pid names a thread of the kernel: those that are
// there at the start, and one that is written later. They are nobody's sessions. A session
// whose process lives is left alone.
func TestKernelThreads(t *testing.T) {
	// On a machine with containers, their processes have the low numbers too, and would
	// keep the records if this were on.
	w := newWorld(t, "KEEP_BUSY_LINES=no")
	some := threads()[:3] // the first ones never end
	alice := start(t, exec.Command("sleep", "infinity"))
	w.login(t, "x/0", alice)
	for i, pid := range some[:2] {
		w.login(t, fmt.Sprintf("x/%d", i+1), pid)
	}
	log := w.startUtmpd(t)
	w.login(t, "x/3", some[2])
	for i, pid := range some {
		line := fmt.Sprintf("x/%d", i+1)
		await(t, "the record of "+line+" to be cleaned", func() bool {
			return w.has(t, w.utmp, utmpx.DeadProcess, line, pid)
		})
		if !w.has(t, w.wtmp, utmpx.DeadProcess, line, pid) {
			t.Errorf("wtmp has no logout of %s", line)
		}
		if flags(pid)&pfKthread == 0 {
			t.Errorf("process %d is not a kernel thread any more", pid)
		}
		var said string // after the record is marked
		await(t, "the log to say it of "+line, func() bool {
			said = log.line("session ended", "line="+line+" ")
			return said != ""
		})
		if !strings.Contains(said, "its pid is a kernel thread's") {
			t.Errorf("the log does not say that %d is the kernel's: %q", pid, said)
		}
	}
	if !w.has(t, w.utmp, utmpx.UserProcess, "x/0", alice) || w.has(t, w.wtmp, utmpx.DeadProcess, "x/0", alice) {
		t.Error("the living session was ended")
	}
}

// world is a utmp, a wtmp and the settings that name them.
type world struct{ dir, utmp, wtmp string }

func newWorld(t *testing.T, key string) world {
	t.Helper()
	dir := t.TempDir()
	w := world{dir, filepath.Join(dir, "utmp"), filepath.Join(dir, "wtmp")}
	settings := fmt.Sprintf("UTMPX_FILE=%s\nWTMPX_FILE=%s\nRUN_DIR=%s/run\nSTATE_DIR=%[3]s/state\n%[4]s\n", w.utmp, w.wtmp, dir, key)
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	w.put(t, utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Time: utmpx.TimeOf(booted(t))})
	return w
}

// booted returns when the machine booted.
func booted(t *testing.T) time.Time {
	t.Helper()
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	up, err := strconv.ParseFloat(strings.Fields(string(b))[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Now().Add(-time.Duration(up * float64(time.Second)))
}

// login records a session of root in both files.
func (w world) login(t *testing.T, line string, pid int) {
	t.Helper()
	w.put(t, utmpx.Record{Type: utmpx.UserProcess, PID: int32(pid), Line: line, ID: line, User: "root", Time: utmpx.TimeOf(time.Now())})
}

// put appends a record to both files.
func (w world) put(t *testing.T, r utmpx.Record) {
	t.Helper()
	b, err := utmpx.Native().Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{w.wtmp, w.utmp} {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(b); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// has reports whether a file has such a record.
func (w world) has(t *testing.T, name string, typ utmpx.Type, line string, pid int) bool {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	l := utmpx.Native()
	for ; len(b) >= l.Size(); b = b[l.Size():] {
		if r := l.Decode(string(b[:l.Size()])); r.Type == typ && r.Line == line && r.PID == int32(pid) {
			return true
		}
	}
	return false
}

// await waits for something that utmpd does within seconds.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for late := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// startUtmpd runs utmpd until the end of the test, which shows its log if it failed.
func (w world) startUtmpd(t *testing.T) *output {
	t.Helper()
	log := new(output)
	cmd := exec.Command(filepath.Join(sealed.Dir(), "utmpd"), "-foreground", "-config", filepath.Join(w.dir, "conf"))
	cmd.Stdout, cmd.Stderr = log, log
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("utmpd's log:\n%s", log.line())
		}
	})
	start(t, cmd)
	await(t, "utmpd's start", func() bool { return log.line("utmpd started") != "" })
	return log
}

// start runs a program until the test ends, and returns its pid. No pid namespace ends
// with the tests, so it is killed with the thread that started it, too.
func start(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// output collects what a program writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// line returns the first line with all the words; all lines without words.
func (o *output) line(words ...string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(words) == 0 {
		return o.text.String()
	}
next:
	for line := range strings.Lines(o.text.String()) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue next
			}
		}
		return line
	}
	return ""
}
