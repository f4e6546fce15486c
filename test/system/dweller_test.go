// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// dweller is the simplest session: a sleeping process with a record that the C
// library wrote, on a line that is not a terminal.
type dweller struct {
	cmd   *exec.Cmd
	entry utmpx.Record
}

// dwell starts a sleeper and records it on the line.
func dwell(t *testing.T, line string) *dweller {
	t.Helper()
	return record(t, line, sleeper(t, exec.Command("sleep", "infinity")))
}

// sleeper starts a process that sleeps until the test ends.
func sleeper(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait() // leave no zombie
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd
}

// record writes a session record for a process on a line.
func record(t *testing.T, line string, cmd *exec.Cmd) *dweller {
	t.Helper()
	return recordSince(t, line, cmd, 0)
}

// recordSince is record with a login time in the past.
func recordSince(t *testing.T, line string, cmd *exec.Cmd, age time.Duration) *dweller {
	t.Helper()
	put := "/run/put"
	if _, err := os.Stat(put); err != nil {
		put = compile(t, "put")
	}
	out, err := exec.Command(put, fmt.Sprint(int(utmpx.UserProcess)), line, line, "alice", fmt.Sprint(cmd.Process.Pid),
		fmt.Sprint(int(age.Seconds()))).CombinedOutput()
	if err != nil {
		t.Fatalf("put: %v\n%s", err, out)
	}
	for _, r := range entries(t) {
		if r.Line == line {
			return &dweller{cmd, r}
		}
	}
	t.Fatalf("put left no entry for %s", line)
	return nil
}

// kill ends the process and returns when it is dead.
func (w *dweller) kill(t *testing.T) death {
	t.Helper()
	from := time.Now()
	if err := w.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, generous, "the death of the process", func() bool { return !alive(int(w.entry.PID)) })
	return death{from, time.Now()}
}

// watched waits until the daemon holds a pidfd of the process.
func (w *dweller) watched(t *testing.T, d *utmpd) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fdinfo", d.cmd.Process.Pid)
	want := fmt.Sprintf("\nPid:\t%d\n", w.entry.PID)
	waitFor(t, generous, "utmpd to watch "+w.entry.Line, func() bool {
		names, _ := os.ReadDir(dir)
		for _, name := range names {
			if b, err := os.ReadFile(dir + "/" + name.Name()); err == nil && strings.Contains(string(b), want) {
				return true
			}
		}
		return false
	})
}

// mustGo waits until who no longer shows the dweller. It then checks what utmpd
// left: the record, one logout, and the end that last shows.
func (w *dweller) mustGo(t *testing.T, died death) {
	t.Helper()
	p := &program{}
	s := &session{entry: w.entry}
	waitFor(t, generous, "who to stop showing "+w.entry.Line, func() bool { return !whoShows(t, w.entry.Line) })
	p.checkEntry(t, s, died)
	p.checkLast(t, s, died)
	if got := logouts(t, w.entry); got != 1 {
		t.Errorf("wtmp holds %d logouts for %v", got, w.entry)
	}
}

// mustStand checks that the dweller's record is unchanged and that wtmp holds no
// logout for it.
func (w *dweller) mustStand(t *testing.T) {
	t.Helper()
	found := false
	for _, r := range entries(t) {
		found = found || r == w.entry
	}
	if !found {
		t.Errorf("utmp does not hold the living session %v", w.entry)
	}
	if got := logouts(t, w.entry); got != 0 {
		t.Errorf("wtmp holds %d logouts for the living session %v", got, w.entry)
	}
	if !whoShows(t, w.entry.Line) {
		t.Errorf("who does not show the living session %v", w.entry)
	}
}
