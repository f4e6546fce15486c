// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// pamLine is what the shipped profile adds to common-session.
const pamLine = "session optional pam_exec.so quiet " + utmpctlBinary + " pam\n"

// addPAM appends a line to the sessions of all services that are logins.
func addPAM(t *testing.T, line string) {
	t.Helper()
	const name = "/etc/pam.d/common-session"
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(line); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// count is how many records of a user's sessions there are.
type count struct{ open, logins, logouts int }

func countOf(t *testing.T, line string) (n count) {
	t.Helper()
	for _, r := range entries(t) {
		if r.Line == line {
			n.open++
		}
	}
	for _, r := range records(t, wtmpFile) {
		switch {
		case r.Line != line:
		case r.Type == utmpx.UserProcess:
			n.logins++
		case r.Type == utmpx.DeadProcess:
			n.logouts++
		}
	}
	return n
}

func mustCount(t *testing.T, when, line string, want count) {
	t.Helper()
	settle(t)
	if got := countOf(t, line); got != want {
		t.Errorf("%s %s has %+v, want %+v\nutmp %v\nwtmp %v", when, line, got, want, records(t, utmpFile), records(t, wtmpFile))
	}
}

// loginUnderPAM: ut_pid is login itself, which waits for the shell to close PAM's session.
func loginUnderPAM(t *testing.T) *session {
	s := loginOnPTY(startLogin)(t)
	if guest.Suite == trixie && int(s.entry.PID) != s.server {
		t.Errorf("the record has process %d, login is %d", s.entry.PID, s.server)
	}
	return s
}

// TestPAM has the sessions of real PAM stacks, recorded by utmpctl pam or by their program:
// one login and one logout, however they end.
func TestPAM(t *testing.T) {
	for _, p := range []struct {
		name  string
		login func(*testing.T) *session
		ways  []way
	}{
		{"login", loginUnderPAM, []way{exit, hangup, kill("shell", shell), kill("login and shell", serverAndShell)}},
		{"sshd", loginSSHD, []way{exit, kill("client", client), kill("monitor, child and shell", all)}},
	} {
		for _, s := range suites {
			for _, w := range p.ways {
				t.Run(p.name+"/"+s.title()+"/"+w.name, func(t *testing.T) {
					if !enter(t, s) {
						return
					}
					addPAM(t, pamLine)
					startUtmpd(t)
					in := p.login(t)
					mustCount(t, "after the login", in.entry.Line, count{open: 1, logins: 1})
					if in.entry.User != "alice" {
						t.Errorf("the record is %v", in.entry)
					}
					w.do(t, in)
					awaitMarked(t, in.entry)
					waitFor(t, generous, "the logout", func() bool { return countOf(t, in.entry.Line).logouts > 0 })
					time.Sleep(grace)
					mustCount(t, "after the logout", in.entry.Line, count{logins: 1, logouts: 1})
				})
			}
		}
	}
}

// TestPAMWithin has su within a recorded session, and on a terminal that nobody has
// recorded, by the user and by root: nothing is recorded.
func TestPAMWithin(t *testing.T) {
	for _, s := range suites {
		for _, user := range []string{"root", "alice"} {
			t.Run("su by "+user+"/"+s.title(), func(t *testing.T) {
				if !enter(t, s) {
					return
				}
				addPAM(t, pamLine)
				startUtmpd(t)
				startSSHD(t)
				in := overSSHAs(t, 22, user)
				in.become(t, user)
				mustCount(t, "within the session", in.entry.Line, count{open: 1, logins: 1})
				in.tm.typeln(t, "exit")
				in.tm.ready(t)
				mustCount(t, "after su", in.entry.Line, count{open: 1, logins: 1})
				in.tm.typeln(t, "script -q /dev/null")
				in.tm.ready(t)
				in.become(t, user)
				settle(t)
				if got := entries(t); len(got) != 1 || len(records(t, wtmpFile)) != 2 {
					t.Errorf("within script utmp has %v, wtmp %v", got, records(t, wtmpFile))
				}
				kill("client", client).do(t, in)
				awaitMarked(t, in.entry)
				mustCount(t, "at the end", in.entry.Line, count{logins: 1, logouts: 1})
			})
		}
	}
}

// become has a user become alice with su.
func (s *session) become(t *testing.T, user string) {
	t.Helper()
	shown := len(s.tm.shown())
	s.tm.typeln(t, "su -l alice")
	if user != "root" {
		waitFor(t, generous, "su to ask", func() bool { return strings.Contains(s.tm.shown()[shown:], "Password: ") })
		s.tm.typeln(t, "alice")
	}
	waitFor(t, generous, "alice's shell", func() bool { return strings.Contains(s.tm.shown()[shown:], "$ ") })
	s.tm.ready(t)
}

// TestPAMFails has a utmpctl pam that fails in every way: the user is logged in all the
// same.
func TestPAMFails(t *testing.T) {
	for _, bad := range []struct {
		name, line string
		prepare    func(*testing.T)
	}{
		{"no utmpctl", strings.Replace(pamLine, utmpctlBinary, "/nowhere/utmpctl", 1), nil},
		{"no utmp", pamLine, func(t *testing.T) { mustRemove(t, utmpFile) }},
		{"no wtmp", pamLine, func(t *testing.T) { mustRemove(t, wtmpFile) }},
		{"utmp is locked", pamLine, func(t *testing.T) { lockUtmpx(t) }},
		{"utmp is a directory", pamLine, func(t *testing.T) {
			mustRemove(t, utmpFile)
			if err := os.Mkdir(utmpFile, 0o755); err != nil {
				t.Fatal(err)
			}
		}},
		{"utmp is a pipe", pamLine, func(t *testing.T) {
			mustRemove(t, utmpFile)
			if err := syscall.Mkfifo(utmpFile, 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		{"bad settings", pamLine, func(t *testing.T) { configure(t, "UTMPX_FILE=/var/log/wtmp", "NONSENSE") }},
		{"required", strings.Replace(pamLine, "optional", "required", 1), func(t *testing.T) { mustRemove(t, utmpFile) }},
	} {
		t.Run(bad.name, func(t *testing.T) {
			if !enter(t, trixie) {
				return
			}
			addPAM(t, bad.line)
			configure(t)
			if bad.prepare != nil {
				bad.prepare(t)
			}
			from := time.Now()
			tm, _ := startLogin(t)
			tm.ready(t)
			if took := time.Since(from); took > 2*pamPatience {
				t.Errorf("the login took %v", took)
			}
		})
	}
}

// pamPatience is how long utmpctl pam may take.
const pamPatience = 5 * time.Second

func mustRemove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// TestPAMGetty has a login at a getty: its record is taken over, and there is none beside.
func TestPAMGetty(t *testing.T) {
	if !enter(t, trixie) {
		return
	}
	addPAM(t, pamLine)
	startUtmpd(t)
	tm := openTerminal(t)
	tm.start(t, exec.Command("agetty", "--noclear", "--autologin", "alice", "-", "linux"))
	tm.ready(t)
	all := slices.DeleteFunc(records(t, utmpFile), func(r utmpx.Record) bool { return r.Line != tm.line })
	if len(all) != 1 || all[0].Type != utmpx.UserProcess || all[0].User != "alice" {
		t.Fatalf("utmp has %v", all)
	}
	tm.typeln(t, "exit")
	awaitMarked(t, all[0])
	mustCount(t, "at the end", tm.line, count{logins: 1, logouts: 1})
}

// TestScriptedLogin has utmpctl login and logout in a shell of script(1), which ends by
// itself or is killed.
func TestScriptedLogin(t *testing.T) {
	for _, s := range suites {
		for _, way := range []string{"logout", "exit", "killed"} {
			t.Run(way+"/"+s.title(), func(t *testing.T) {
				if !enter(t, s) {
					return
				}
				startUtmpd(t)
				tm := openTerminal(t)
				tm.start(t, exec.Command("script", "-q", "-c", "exec sh -i", "/dev/null"))
				tm.ready(t)
				before := entries(t)
				tm.typeln(t, utmpctlBinary+" login -user alice -host 192.0.2.7")
				entry := awaitEntry(t, before, "utmpctl login")
				tm.ready(t)
				if entry.Line == tm.line || leaderOf(entry.Line) != int(entry.PID) {
					t.Errorf("the record is %v: script's shell is process %d, its own terminal %s", entry, leaderOf(entry.Line), tm.line)
				}
				tm.typeln(t, utmpctlBinary+" login -user alice")
				tm.ready(t)
				mustCount(t, "after two logins", entry.Line, count{open: 1, logins: 1})
				switch way {
				case "logout":
					tm.typeln(t, utmpctlBinary+" logout; exit")
				case "exit":
					tm.typeln(t, "exit")
				case "killed":
					if err := syscall.Kill(int(entry.PID), syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
				awaitMarked(t, entry)
				waitFor(t, generous, "the logout", func() bool { return countOf(t, entry.Line).logouts > 0 })
				time.Sleep(grace)
				mustCount(t, "at the end", entry.Line, count{logins: 1, logouts: 1})
			})
		}
	}
}
