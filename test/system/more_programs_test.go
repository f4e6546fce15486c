// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"utmpd.dev/utmpd/utmpx"
)

// trees are the programs of [TestTrees].
var trees = []*tree{
	{name: "mosh", in13: true, login: loginMosh},
	{name: "xterm -ls", in13: true, setup: startX, login: inWindow("xterm", "-ls")},
	{name: "urxvt", setup: startX, login: inWindow("urxvt", "-ls")},
	{name: "urxvtd", setup: startX, login: loginUrxvtd},
	{name: "pterm", in13: true, setup: startX, login: inWindow("pterm", "-ls")},
	{name: "konsole", setup: startX, login: inKonsole},
	{name: "xdm and sessreg", setup: startXDM, login: loginXDM, aged: true},
	{name: "lightdm", setup: startLightDM, login: loginLightDM, aged: true},
	{name: "cockpit", login: loginCockpit, together: true},
	{name: "telnetd", setup: serve(23, "/usr/sbin/telnetd"), login: loginByPassword("telnet", "127.0.0.1"), logouts: 2},
	{name: "rlogind", setup: serve(513, "/usr/sbin/in.rlogind"), login: loginByPassword("rlogin", "-l", "alice", "127.0.0.1"), logouts: 2},
	{name: "agetty and login", login: loginAgetty},
	{name: "tinysshd", setup: startTinysshd, login: func(t *testing.T, _ int) *session { return overSSH(t, 2222).withShell(t) }},
	{name: "tmux by byobu", login: loginByobu},
	{name: "sudo -i", setup: startSudo, login: loginSudo, unlogged: true},
	{name: "python-utmp", login: loginPython, unlogged: true},
}

// addAlice makes the root's people those of the other roots.
func addAlice(t *testing.T) {
	t.Helper()
	run(t, "useradd", "-m", "-s", "/bin/sh", "alice")
	run(t, "sh", "-c", `echo alice:alice | chpasswd; touch /home/alice/.hushlogin; mkdir -m 700 -p /root/.ssh /home/alice/.ssh
		ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
		cp /root/.ssh/id_ed25519.pub /home/alice/.ssh/authorized_keys; chown -R alice: /home/alice
		echo 'alice ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/alice`)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func addressOf(b *byte) uintptr { return uintptr(unsafe.Pointer(b)) }

var moshConnect = regexp.MustCompile(`MOSH CONNECT (\d+) (\S+)`)

// loginMosh: mosh-server is ut_pid and the shell's parent.
func loginMosh(t *testing.T, n int) *session {
	before := entries(t)
	out, err := asAlice(exec.Command("mosh-server", "new", "-i", "127.0.0.1", "-p", fmt.Sprint(60001+n))).CombinedOutput()
	found := moshConnect.FindSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("mosh-server: %v\n%s", err, out)
	}
	tm := openTerminal(t)
	cmd := exec.Command("mosh-client", "127.0.0.1", string(found[1]))
	cmd.Env = append(os.Environ(), "MOSH_KEY="+string(found[2]), "MOSH_PREDICTION_DISPLAY=never")
	tm.start(t, cmd)
	s := &session{tm: tm, client: cmd.Process.Pid}
	// It writes a record at its start, and another one once somebody has come.
	s.entry = awaitUser(t, before, func(r utmpx.Record) bool { return strings.Contains(r.Host, "via mosh") })
	tm.ready(t)
	return s.withShell(t)
}

// awaitUser waits for a new record of alice that is the right one.
func awaitUser(t *testing.T, before []utmpx.Record, right func(utmpx.Record) bool) utmpx.Record {
	t.Helper()
	var entry utmpx.Record
	waitFor(t, generous, "alice's record", func() bool {
		for _, entry = range entries(t) {
			if entry.Type == utmpx.UserProcess && entry.User == "alice" && !slices.Contains(before, entry) && right(entry) {
				return true
			}
		}
		return false
	})
	return entry
}

func anyRecord(utmpx.Record) bool { return true }

const display = ":5"

func startX(t *testing.T) {
	t.Helper()
	daemon(t, "/usr/bin/Xvfb", display, "-screen", "0", "640x480x8", "-nolisten", "tcp", "-ac")
	waitFor(t, generous, "the X server", func() bool { return exists("/tmp/.X11-unix/X5") })
}

func onDisplay(name string, args ...string) *exec.Cmd {
	cmd := asAlice(exec.Command(name, args...))
	cmd.Env = append(cmd.Env, "DISPLAY="+display)
	cmd.SysProcAttr.Setsid = true
	return cmd
}

// inWindow: an X terminal is the shell's parent.
func inWindow(name string, args ...string) func(*testing.T, int) *session {
	return func(t *testing.T, _ int) *session {
		t.Helper()
		before := entries(t)
		cmd := onDisplay(name, args...)
		cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go cmd.Wait()
		return windowOf(t, awaitEntry(t, before, name))
	}
}

func windowOf(t *testing.T, entry utmpx.Record) *session {
	t.Helper()
	waitFor(t, generous, "a leader of "+entry.Line, func() bool { return leaderOf(entry.Line) != 0 })
	s := (&session{entry: entry}).withShell(t)
	s.client = s.server
	return s
}

// loginUrxvtd: each session has an urxvtd of its own, which would end all its windows.
func loginUrxvtd(t *testing.T, n int) *session {
	before := entries(t)
	socket := fmt.Sprintf("RXVT_SOCKET=/tmp/urxvtd-%d", n)
	for _, cmd := range []*exec.Cmd{onDisplay("urxvtd", "-q", "-f"), onDisplay("urxvtc", "-ls")} {
		cmd.Env = append(cmd.Env, socket)
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %v", cmd, err)
		}
	}
	return windowOf(t, awaitEntry(t, before, "urxvtd"))
}

// serve has a program answer on a port, as inetd would.
func serve(port int, name string, args ...string) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		daemon(t, "/usr/bin/tcpserver", append([]string{"-H", "-R", "-D", "-l", "guest", "127.0.0.1", fmt.Sprint(port), name}, args...)...)
		waitPort(t, port)
	}
}

// loginByPassword: the server's login is the shell's parent.
func loginByPassword(name string, args ...string) func(*testing.T, int) *session {
	return func(t *testing.T, _ int) *session {
		t.Helper()
		before := entries(t)
		tm := openTerminal(t)
		cmd := exec.Command(name, args...)
		tm.start(t, cmd)
		answered := 0
		waitFor(t, generous, "a password to be asked for", func() bool {
			shown := tm.shown()
			if answered == 0 && strings.Contains(shown, "login: ") {
				tm.typeln(t, "alice")
				answered++
			}
			return strings.Contains(shown, "assword: ")
		})
		if _, err := tm.master.WriteString("alice\r"); err != nil { // rlogin has the terminal raw
			t.Fatal(err)
		}
		waitFor(t, generous, "a shell", func() bool { return strings.Contains(tm.shown(), "$ ") })
		s := &session{tm: tm, client: cmd.Process.Pid, entry: awaitUser(t, before, anyRecord)}
		tm.ready(t)
		return s.withShell(t)
	}
}

// loginAgetty: agetty becomes login on a line of its own, as on a console.
func loginAgetty(t *testing.T, _ int) *session {
	before := entries(t)
	tm := openTerminal(t)
	cmd := exec.Command("/sbin/agetty", "--noclear", "--autologin", "alice", tm.line, "xterm")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
	s := &session{tm: tm, client: cmd.Process.Pid}
	s.entry = awaitUser(t, before, func(r utmpx.Record) bool { return r.Line == tm.line })
	tm.ready(t)
	return s.withShell(t)
}

func startTinysshd(t *testing.T) {
	t.Helper()
	run(t, "/usr/sbin/tinysshd-makekey", "-q", "/etc/tinyssh-test")
	serve(2222, "/usr/sbin/tinysshd", "/etc/tinyssh-test")(t)
}

// loginByobu: tmux, of which each session has a server of its own.
func loginByobu(t *testing.T, n int) *session {
	before := entries(t)
	tm := openTerminal(t)
	dir := fmt.Sprintf("/tmp/byobu-%d", n)
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := asAlice(exec.Command("byobu-tmux"))
	// Else all would share a directory, and clean it for each other.
	cmd.Env = append(cmd.Env, "TMUX_TMPDIR="+dir, fmt.Sprintf("USER=alice%d", n), "BYOBU_CONFIG_DIR="+dir)
	tm.start(t, cmd)
	s := &session{tm: tm, client: cmd.Process.Pid}
	// The first window tries tmux out.
	s.entry = awaitUser(t, before, func(r utmpx.Record) bool { return strings.HasSuffix(r.Host, ".%1") })
	tm.ready(t)
	return s.withShell(t)
}

func startSudo(t *testing.T) {
	t.Helper()
	startSSHD(t)
}

// loginSudo: sudo in a session of sshd, with a terminal of its own and a copy of the record.
func loginSudo(t *testing.T, _ int) *session {
	outer := overSSH(t, 22)
	before := entries(t)
	outer.tm.typeln(t, "sudo -i")
	s := &session{tm: outer.tm, client: outer.client, entry: awaitEntry(t, before, "sudo")}
	waitFor(t, generous, "root's prompt", func() bool { return strings.Contains(outer.tm.shown(), "# ") })
	s.tm.ready(t)
	return s.withShell(t)
}

// loginPython: a program that records itself with python-utmp, with a shell below it.
func loginPython(t *testing.T, n int) *session {
	const script = `
import os, sys, time, utmp
now = time.time()
entry = utmp.UtmpEntry(ut_type=utmp.USER_PROCESS, ut_pid=os.getpid(), ut_line=sys.argv[1], ut_id="p" + sys.argv[1][4:],
	ut_user="alice", ut_host="desk", ut_tv=(int(now), int(now % 1 * 1e6)))
utmp.UtmpRecord().pututline(entry)
os.spawnlp(os.P_WAIT, "sh", "-sh")
entry.ut_type, entry.ut_user = utmp.DEAD_PROCESS, ""
utmp.UtmpRecord().pututline(entry)
`
	before := entries(t)
	tm := openTerminal(t)
	return onTerminal(t, tm, before, tm.start(t, exec.Command("python3", "-c", script, tm.line))).withShell(t)
}
