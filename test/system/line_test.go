// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// TestLoginTypedInSession has root type login in an ssh session, and in a terminal that
// nobody recorded. Debian 12's login writes a record of that line and never marks it.
func TestLoginTypedInSession(t *testing.T) {
	parallel(t)
	loginAndShell := func(_, inner *session) []int { return []int{inner.server, inner.shell} }
	for _, c := range []struct {
		name  string
		login func(*testing.T) *session
		end   func(outer, inner *session) []int
		stays bool // the outer session
	}{
		{"login and shell killed", rootOverSSH, loginAndShell, true},
		{"its shell killed", rootOverSSH, func(_, inner *session) []int { return []int{inner.shell} }, true},
		{"both sessions killed", rootOverSSH, func(outer, inner *session) []int {
			return []int{outer.child, outer.shell, inner.server, inner.shell}
		}, false},
		{"unrecorded terminal, login and shell killed", rootUnrecorded, loginAndShell, true},
		{"login displaces login's record, both killed", rootByLogin, loginAndShell, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			d := startUtmpd(t)
			outer := c.login(t)
			inner := typeLogin(t, outer)
			(&dweller{entry: inner.entry}).watched(t, d)
			recorded := outer.entry.Type == utmpx.UserProcess
			if recorded {
				(&dweller{entry: outer.entry}).watched(t, d)
			}
			settle(t)

			died := death{from: time.Now()}
			for _, pid := range c.end(outer, inner) {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
					t.Fatal(err)
				}
			}
			waitFor(t, generous, "the death of the inner shell", func() bool { return !alive(inner.shell) })
			died.to = time.Now()
			mustBeMarked(t, inner.entry, died)
			if n := logoutsAfter(t, "alice", inner.entry.Line); n != 1 {
				t.Errorf("wtmp holds %d logouts of the inner login", n)
			}
			if !c.stays {
				mustBeMarked(t, outer.entry, died)
				return
			}
			outer.tm.ready(t)
			if !alive(outer.shell) {
				t.Error("the outer shell has ended")
			}
			if recorded {
				mustBeThere(t, outer.entry)
				return
			}
			// It has no record, and no login that is open.
			kill("", serverAndShell).do(t, outer)
			sentinel := dwell(t, "x/1")
			sentinel.watched(t, d)
			sentinel.mustGo(t, sentinel.kill(t))
			if n := logoutsAfter(t, "alice", inner.entry.Line); n != 1 {
				t.Errorf("after the end of the outer session wtmp holds %d logouts of the inner login", n)
			}
		})
	}
}

// rootOverSSH: ut_pid is root's shell, and child is sshd.
func rootOverSSH(t *testing.T) *session {
	startSSHD(t)
	s := overSSHAs(t, 22, "root")
	s.child = parentOf(t, s.shell)
	return s
}

func rootUnrecorded(t *testing.T) *session {
	tm, cmd := startOn(t, exec.Command("sh"))
	tm.ready(t)
	return &session{tm: tm, server: cmd.Process.Pid, shell: cmd.Process.Pid, entry: utmpx.Record{Line: tm.line}}
}

// rootByLogin: the login within has the same ut_id, and overwrites the record.
func rootByLogin(t *testing.T) *session {
	s := loginOnPTY(func(t *testing.T) (*terminal, *exec.Cmd) {
		return startOn(t, exec.Command("login", "-f", "root"))
	})(t)
	s.entry = utmpx.Record{Line: s.entry.Line}
	return s
}

// typeLogin logs alice in on the terminal of root's session.
func typeLogin(t *testing.T, outer *session) *session {
	t.Helper()
	before := entries(t)
	outer.tm.typeln(t, "login -f alice")
	inner := &session{entry: awaitEntry(t, before, "the login within the session")}
	if inner.entry.Line != outer.entry.Line || inner.entry.ID == outer.entry.ID {
		t.Fatalf("the records of the session and of the login within it: %v, %v", outer.entry, inner.entry)
	}
	outer.tm.ready(t)
	inner.shell = int(inner.entry.PID)
	inner.server = parentOf(t, inner.shell)
	return inner
}

// mustBeMarked waits until the record is marked, and checks its time.
func mustBeMarked(t *testing.T, entry utmpx.Record, died death) {
	t.Helper()
	within(t, "the entry's time", awaitMarked(t, entry).Time.Time(), died)
}

// logoutsAfter counts the line's logouts in wtmp behind the last login of a user.
func logoutsAfter(t *testing.T, user, line string) int {
	t.Helper()
	n := 0
	for _, r := range slices.Backward(records(t, wtmpFile)) {
		switch {
		case r.Line != line:
		case r.Type == utmpx.DeadProcess:
			n++
		case r.Type == utmpx.UserProcess && r.User == user:
			return n
		}
	}
	t.Errorf("wtmp holds no login of %s on %s", user, line)
	return n
}

// mustBeThere checks that the record in utmp is unchanged.
func mustBeThere(t *testing.T, entry utmpx.Record) {
	t.Helper()
	if !slices.Contains(entries(t), entry) {
		t.Errorf("utmp does not hold the living session %v", entry)
	}
}

// TestGhostOnLineOfSession has a login of login(1) that was killed before utmpd started. Its
// terminal was given to a session of sshd, of the same user, under another id.
func TestGhostOnLineOfSession(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	startSSHD(t)
	first := openTerminal(t) // later the ssh client's
	ghost := loginOnPTY(startLogin)(t)
	kill("", serverAndShell).do(t, ghost)
	waitFor(t, generous, "the ghost's death", func() bool { return !alive(ghost.shell) && !alive(ghost.server) })
	ghost.tm.close()
	waitFor(t, generous, "the end of its terminal", func() bool { return exec.Command("test", "-e", "/dev/"+ghost.entry.Line).Run() != nil })
	first.close()
	s := overSSH(t, 22)
	s.server, s.child = int(s.entry.PID), parentOf(t, s.shell)
	if s.entry.Line != ghost.entry.Line || s.entry.ID == ghost.entry.ID {
		t.Fatalf("the ghost and the session: %v, %v", ghost.entry, s.entry)
	}

	from := time.Now()
	d := startUtmpd(t)
	marked := awaitMarked(t, ghost.entry)
	within(t, "the ghost's end", marked.Time.Time(), death{from, time.Now()})
	(&dweller{entry: s.entry}).watched(t, d)
	settle(t)
	mustBeThere(t, s.entry)
	if n := logoutsAfter(t, "alice", s.entry.Line); n != 0 {
		t.Errorf("wtmp holds %d logouts of the living session", n)
	}

	kill("monitor", server).do(t, s)
	d.waitLog(t, "session left alone", "line="+s.entry.Line, "its line still has a session leader")
	mustBeThere(t, s.entry)
	s.tm.ready(t)
	died := death{from: time.Now()}
	kill("shell", shell).do(t, s)
	waitFor(t, generous, "the shell's death", func() bool { return !alive(s.shell) })
	died.to = time.Now()
	mustBeMarked(t, s.entry, died)
	if n := logoutsAfter(t, "alice", s.entry.Line); n != 1 {
		t.Errorf("wtmp holds %d logouts of the session", n)
	}
}
