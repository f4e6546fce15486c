// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// session is a user logged in by a real program.
type session struct {
	entry utmpx.Record                    // as in utmp
	tm    *terminal                       // where the user types
	keys  io.Writer                       // or what the user's client reads
	enter func(t *testing.T, line string) // or what has a line executed, where there is no terminal
	// The processes that can be killed. Not all programs have all of them.
	client, server, child, shell int
}

// awaitEntry returns the first session in utmp that was not there before.
func awaitEntry(t *testing.T, before []utmpx.Record, what string) utmpx.Record {
	t.Helper()
	var entry utmpx.Record
	waitFor(t, generous, "an entry in utmp for "+what, func() bool {
		for _, r := range entries(t) {
			known := false
			for _, old := range before {
				known = known || old == r
			}
			if !known {
				entry = r
				return true
			}
		}
		return false
	})
	return entry
}

// asAlice makes the command run as the ordinary user alice.
func asAlice(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	cmd.Dir = "/home/alice"
	cmd.Env = []string{
		"HOME=/home/alice", "USER=alice", "LOGNAME=alice", "SHELL=/bin/sh",
		"TERM=xterm", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8",
	}
	return cmd
}

// daemon starts a server program and passes its output to the test's.
func daemon(t *testing.T, name string, args ...string) int {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.WaitDelay = time.Second // a server that it started may have its output, and live on
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid
}

// waitPort waits until something listens on a TCP port.
func waitPort(t *testing.T, port int) {
	t.Helper()
	want := fmt.Sprintf(":%04X 00000000:0000 0A", port)
	waitFor(t, generous, fmt.Sprintf("a listener on port %d", port), func() bool {
		b, _ := os.ReadFile("/proc/net/tcp")
		return strings.Contains(string(b), want)
	})
}

// onTerminal completes a login on a terminal: the entry exists and a shell answers.
func onTerminal(t *testing.T, tm *terminal, before []utmpx.Record, client *exec.Cmd) *session {
	t.Helper()
	s := &session{tm: tm, client: client.Process.Pid}
	s.entry = awaitEntry(t, before, client.String())
	tm.ready(t)
	s.shell = leaderOf(s.entry.Line)
	return s
}

// overSSH logs alice in from a client with its own terminal.
func overSSH(t *testing.T, port int) *session {
	t.Helper()
	return overSSHAs(t, port, "alice")
}

func overSSHAs(t *testing.T, port int, user string) *session {
	t.Helper()
	before := entries(t)
	tm := openTerminal(t)
	client := tm.start(t, exec.Command("ssh", "-tt", "-q", "-p", fmt.Sprint(port),
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", user+"@127.0.0.1"))
	return onTerminal(t, tm, before, client)
}

// loginSSHD: ut_pid is the monitor, which runs as root; the unprivileged child
// holds the terminal.
func loginSSHD(t *testing.T) *session {
	startSSHD(t)
	s := overSSH(t, 22)
	s.server = int(s.entry.PID)
	s.child = parentOf(t, s.shell)
	return s
}

func startSSHD(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	daemon(t, "/usr/sbin/sshd", "-D", "-e", "-o", "ListenAddress=127.0.0.1:22")
	waitPort(t, 22)
}

// loginDropbear: ut_pid is the shell; its parent serves the connection.
func loginDropbear(t *testing.T) *session {
	daemon(t, "/usr/sbin/dropbear", "-F", "-E", "-p", "127.0.0.1:22", "-r", "/etc/dropbear/dropbear_ed25519_host_key")
	waitPort(t, 22)
	s := overSSH(t, 22)
	s.server = parentOf(t, s.shell)
	return s
}

// starter starts a program on a new terminal.
type starter func(*testing.T) (*terminal, *exec.Cmd)

// login starts the program and returns its session once the entry exists.
func (start starter) login(t *testing.T) *session {
	t.Helper()
	before := entries(t)
	tm, cmd := start(t)
	return onTerminal(t, tm, before, cmd)
}

func startOn(t *testing.T, cmd *exec.Cmd) (*terminal, *exec.Cmd) {
	t.Helper()
	tm := openTerminal(t)
	return tm, tm.start(t, cmd)
}

func startLogin(t *testing.T) (*terminal, *exec.Cmd) {
	return startOn(t, exec.Command("login", "-f", "alice"))
}

func startBusyboxLogin(t *testing.T) (*terminal, *exec.Cmd) {
	return startOn(t, exec.Command("busybox", "login", "-f", "alice"))
}

func startTmux(t *testing.T) (*terminal, *exec.Cmd) {
	return startOn(t, asAlice(exec.Command("tmux", "new-session")))
}

func startScreenRoot(t *testing.T) (*terminal, *exec.Cmd) { return startOn(t, screenCommand(t)) }

func startScreenUser(t *testing.T) (*terminal, *exec.Cmd) {
	return startOn(t, asAlice(screenCommand(t)))
}

func screenCommand(t *testing.T) *exec.Cmd {
	t.Helper()
	if err := os.MkdirAll("/run/screen", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod("/run/screen", 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	const rc = "/run/screenrc"
	if err := os.WriteFile(rc, []byte("startup_message off\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return exec.Command("screen", "-c", rc)
}

// loginOnPTY: the program is login, the shell its child. ut_pid is the shell
// with shadow's login, and login itself with busybox's.
func loginOnPTY(start starter) func(*testing.T) *session {
	return func(t *testing.T) *session {
		s := start.login(t)
		s.server = s.client
		s.shell = childOf(t, s.server)
		return s
	}
}

// loginMultiplexer: tmux or screen, whose server is the shell's parent. ut_pid
// is the server by way of utempter, and the shell with root's screen.
func loginMultiplexer(start starter) func(*testing.T) *session {
	return func(t *testing.T) *session {
		s := start.login(t)
		s.server = parentOf(t, s.shell)
		return s
	}
}

// loginVsftpd: ut_pid is the root parent of the session; there is no shell.
func loginVsftpd(t *testing.T) *session {
	const conf = "/run/vsftpd.conf"
	if err := os.MkdirAll("/run/vsftpd/empty", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, []byte("listen=YES\nbackground=NO\nlocal_enable=YES\nsession_support=YES\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon(t, "/usr/sbin/vsftpd", conf)
	waitPort(t, 21)
	before := entries(t)
	client := exec.Command("busybox", "nc", "127.0.0.1", "21")
	keys, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answers := new(output)
	client.Stdout = answers
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	go client.Wait()
	s := &session{keys: keys, client: client.Process.Pid}
	if _, err := keys.Write([]byte("USER alice\r\nPASS alice\r\n")); err != nil {
		t.Fatal(err)
	}
	s.entry = awaitEntry(t, before, "vsftpd")
	// Until it answers, the child is a different process.
	waitFor(t, generous, "vsftpd's answer", func() bool { return strings.Contains(answers.String(), "230 ") })
	s.server = int(s.entry.PID)
	s.child = childOf(t, s.server)
	return s
}

// loginC: a C program with pututxline is ut_pid; its child is the shell.
func loginC(t *testing.T) *session { return loginCAs(t, "alice") }

func loginCAs(t *testing.T, user string) *session {
	program := compile(t, "session")
	before := entries(t)
	tm := openTerminal(t)
	cmd := exec.Command(program, tm.line, user)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
	s := onTerminal(t, tm, before, cmd)
	s.server = s.client
	return s
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	p, ok := readProcess(pid)
	if !ok {
		t.Fatalf("process %d is gone", pid)
	}
	return p.parent
}

func children(pid int) []int {
	var pids []int
	for _, p := range processes() {
		if p.parent == pid && p.state != "Z" {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

func childOf(t *testing.T, pid int) int {
	t.Helper()
	all := children(pid)
	if len(all) != 1 {
		t.Fatalf("process %d has children %v", pid, all)
	}
	return all[0]
}
