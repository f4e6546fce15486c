// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"os/exec"
	"slices"
	"strings"
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

// TestLedBelow looks below processes that are called sshd, as sshd's own are.
func TestLedBelow(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"sshd", "sshd-session", "bash"} {
		if err := os.WriteFile(dir+"/"+name, []byte("#!/bin/sh\n\"$@\"\nexit\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		above []string // the leader of the session, and what is below it
		want  bool
	}{
		{"sshd for root", []string{"sshd"}, true},
		{"sshd with a process of the user's", []string{"sshd", "sshd-session"}, true},
		{"a program in the session", []string{"sshd", "bash"}, false},
		{"too deep", []string{"sshd", "sshd-session", "sshd"}, false},
		{"not sshd", []string{"bash", "sshd-session"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, line := newTerminal(t)
			leader := start(t, "leads:"+strings.TrimPrefix(line, "pts/"), func(cmd *exec.Cmd) {
				for _, name := range slices.Backward(c.above) {
					cmd.Args = append([]string{dir + "/" + name}, cmd.Args...)
				}
				cmd.Path = cmd.Args[0]
			}).pid()
			found, ok := LedBelow([]int32{1 << 30, leader})
			if !ok {
				t.Skip("this kernel does not list children")
			}
			all, err := LedTerminals()
			if err != nil {
				t.Fatal(err)
			}
			is := func(l LedTerminal) bool { return l.Line == line }
			at, whole := slices.IndexFunc(found, is), slices.IndexFunc(all, is)
			if at >= 0 != c.want || len(found) > 1 || whole < 0 {
				t.Fatalf("found %+v, all %+v", found, all)
			}
			if at < 0 {
				return
			}
			got, want := found[at], all[whole]
			makers := session.Makers(want.Above)
			if !slices.Equal(session.Makers(got.Above), makers) || !slices.Contains(makers, leader) || got.Leader != want.Leader || got.SSHD != want.SSHD {
				t.Errorf("%+v, in a pass over /proc %+v", got, want)
			}
		})
	}
}
