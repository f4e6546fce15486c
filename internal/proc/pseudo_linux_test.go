// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"utmpd.dev/utmpd/internal/session"
)

func TestLedTerminals(t *testing.T) {
	terminal, line := newTerminal(t)
	_, empty := newTerminal(t)
	leaderless, leaderlessLine := newTerminal(t)
	c := start(t, "session", onTerminal(terminal))
	l := start(t, "leaderless", onTerminal(leaderless)) // its first thread has ended
	ended, endedLine := newTerminal(t)
	e := start(t, "session", onTerminal(ended))
	e.end(t, 9)
	led, err := LedTerminals()
	if err != nil {
		t.Fatal(err)
	}
	found := func(line string) *LedTerminal {
		if at := slices.IndexFunc(led, func(l LedTerminal) bool { return l.Line == line }); at >= 0 {
			return &led[at]
		}
		return nil
	}
	for line, c := range map[string]*child{line: c, leaderlessLine: l} {
		id := session.ID{PID: c.pid(), Start: open(t, c.pid()).ID().Start}
		got := found(line)
		switch {
		case got == nil || got.Leader != id:
			t.Errorf("%s = %+v, want %+v", line, got, id)
		case len(got.Above) < 1 || got.Above[0].PID != int32(os.Getpid()):
			t.Errorf("%s is below %+v, want %d", line, got.Above, os.Getpid())
		}
	}
	for _, line := range []string{empty, endedLine} {
		if got := found(line); got != nil {
			t.Errorf("%s, which nobody leads: %+v", line, got)
		}
	}
}

// A process on another one's terminal is seen to have one.
func TestLedTerminalsAbove(t *testing.T) {
	this, err := readStat(int32(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	terminal, line := newTerminal(t)
	start(t, "session", onTerminal(terminal))
	led, err := LedTerminals()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range led {
		if l.Line == line && (len(l.Above) == 0 || l.Above[0] != (Ancestor{this.pid, this.sshd})) {
			t.Errorf("above %s: %+v", line, l.Above)
		}
	}
}

func TestRunsJob(t *testing.T) {
	self := int32(os.Getpid())
	start(t, "exit:0", func(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }) // as pam_exec does
	if RunsJob(self) {
		t.Error("without a child on a terminal")
	}
	terminal, _ := newTerminal(t)
	shell := start(t, "session", onTerminal(terminal))
	if !RunsJob(self) {
		t.Error("not seen")
	}
	if RunsJob(shell.pid()) {
		t.Error("a child in the group of its parent is a job")
	}
	shell.end(t, 9)
	if RunsJob(self) {
		t.Error("its end is not seen")
	}
}
