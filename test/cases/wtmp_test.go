// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestLoginOnAnotherLine has programs whose login stands under another line in wtmp.
func TestLoginOnAnotherLine(t *testing.T) {
	for _, test := range []struct{ name, utmp, wtmp string }{
		{"xrdp", "xrdp:11", ":11"},
		{"xrdp, no line", "", ":12"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			session, now := sleeper(t), time.Now()
			line := test.wtmp
			if strings.Contains(line, "%d") {
				line = fmt.Sprintf(line, session.Process.Pid)
			}
			utmp := []rec{boot(machineBoot(t))}
			if test.utmp != "-" {
				utmp = append(utmp, login("test", test.utmp, session.Process.Pid, now).withID("11"))
			}
			w := newWorld(t, x86.bytes(utmp...), x86.bytes(boot(machineBoot(t)), login("test", line, session.Process.Pid, now).withID("")))
			w.start(t)
			w.judged(t)
			w.stays(t, session.Process.Pid, line)
			end(t, session)
			out := w.loggedOut(t, line)
			if out.pid != int32(session.Process.Pid) {
				t.Errorf("the logout is of %d, not %d: %v", out.pid, session.Process.Pid, out)
			}
		})
	}
}

// TestTwoLogins has sshd with pam_lastlog: its process writes a login on the line "ssh", and
// one on the terminal's.
func TestTwoLogins(t *testing.T) {
	if !enter(t) {
		return
	}
	alice := newTerminal(t)
	pid, now, start := alice.sshd.Process.Pid, time.Now(), boot(machineBoot(t))
	in := login("alice", alice.line, pid, now).withID("ts/" + alice.id())
	w := newWorld(t, x86.bytes(start, in), x86.bytes(start, login("alice", "ssh", pid, now.Add(-50*time.Millisecond)).withID(""), in))
	w.start(t)
	w.judged(t)
	w.open(t, pid, "ssh")
	w.open(t, pid, alice.line)
	end(t, alice.sshd)
	for _, line := range [...]string{alice.line, "ssh"} {
		if out := w.loggedOut(t, line); out.pid != int32(pid) {
			t.Errorf("the logout on %s is of %d, not %d: %v", line, out.pid, pid, out)
		}
	}
}

// TestLoginInWtmpAlone has FTP servers that leave utmp out.
func TestLoginInWtmpAlone(t *testing.T) {
	for _, test := range []struct{ name, line string }{{"ftpd", "ftpd%d"}, {"vsftpd", "vsftpd:%d"}} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, while utmpd runs: %v", test.name, late), func(t *testing.T) {
				if !enter(t) {
					return
				}
				session, start := sleeper(t), boot(machineBoot(t))
				pid := session.Process.Pid
				line := fmt.Sprintf(test.line, pid)
				in := login("upload", line, pid, time.Now()).withID("")
				w := newWorld(t, x86.bytes(start), x86.bytes(start))
				if late {
					w.start(t)
				}
				w.add(t, in, w.wtmp)
				if !late {
					w.start(t)
				}
				w.judged(t)
				w.open(t, pid, line)
				end(t, session)
				if out := w.loggedOut(t, line); out.pid != int32(pid) {
					t.Errorf("the logout is of %d, not %d: %v", out.pid, pid, out)
				}
			})
		}
	}
}

// TestSuWithinSession has su with pam_lastlog, whose login stands in wtmp alone, on the
// line of the session.
func TestSuWithinSession(t *testing.T) {
	if !enter(t) {
		return
	}
	alice, su := newTerminal(t), sleeper(t)
	now, start := time.Now(), boot(machineBoot(t))
	file := x86.bytes(start, login("alice", alice.line, alice.sshd.Process.Pid, now).withID("ts/"+alice.id()))
	w := newWorld(t, file, file)
	w.start(t)
	w.add(t, login("root", alice.line, su.Process.Pid, time.Now()).withID(""), w.wtmp)
	end(t, su) // its shell may go on
	w.judged(t)
	w.open(t, su.Process.Pid, alice.line)
	end(t, alice.sshd)
	if out := w.loggedOut(t, alice.line); out.pid != int32(su.Process.Pid) {
		t.Errorf("the logout is of %d, not of su, %d: %v", out.pid, su.Process.Pid, out)
	}
}

// open checks that wtmp has no logout of a process on a line.
func (w world) open(t *testing.T, pid int, line string) {
	t.Helper()
	for _, r := range records(t, w.wtmp) {
		if r.typ == typeDead && r.line == line && r.pid == int32(pid) {
			t.Errorf("wtmp has a logout: %v", r)
		}
	}
}
