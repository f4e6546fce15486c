// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// program is one row of the table: a program that keeps utmp, and every way to end
// its sessions.
type program struct {
	name  string
	login func(*testing.T) *session

	// silent names the suites in which the program keeps no utmp, with the
	// reason, so that none of its cells can be tested. start is used to check
	// that.
	silent map[suite]string
	start  starter

	// unmarked: the program never marks its entry in utmp, however the session
	// ends. unlogged: it writes no login to wtmp.
	unmarked, unlogged bool

	// killed are the ways to kill a session that leave its entry in utmp.
	killed []way
	// ended are the ways to end a session in which the owner logs it out.
	ended []way
	// outlived are the ways to kill ut_pid under a shell that survives. If there
	// is none, cannot says why.
	outlived []way
	cannot   string
}

// way is one way to end a session.
type way struct {
	name string
	do   func(*testing.T, *session)
}

// kill sends SIGKILL to the processes that pick returns, one after the other.
func kill(name string, pick func(*session) []int) way {
	return way{name, func(t *testing.T, s *session) {
		t.Helper()
		for _, pid := range pick(s) {
			if pid <= 0 { // that program has none, and this would kill the group of the tests
				continue
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
				t.Fatalf("kill %d: %v", pid, err)
			}
		}
	}}
}

// deaf makes the program on the line ignore the hangup of its terminal, before the
// rest of the way runs. The program then lives on without a terminal.
func deaf(w way) way {
	return way{w.name + ", what runs there ignores the hangup", func(t *testing.T, s *session) {
		t.Helper()
		// Without job control. With it, the shell ends if the terminal goes away
		// before its next child is in the foreground.
		s.tm.typeln(t, "trap '' HUP; set +m; echo de''af; while sleep 1; do :; done")
		waitFor(t, generous, "the shell to ignore SIGHUP", func() bool {
			return strings.Contains(s.tm.shown(), "deaf")
		})
		w.do(t, s)
		if !alive(s.shell) {
			t.Error("the shell did not survive the hangup")
		}
	}}
}

var (
	server         = func(s *session) []int { return []int{s.server} }
	serverAndShell = func(s *session) []int { return []int{s.server, s.shell} }
	serverAndChild = func(s *session) []int { return []int{s.server, s.child} }
	all            = func(s *session) []int { return []int{s.server, s.child, s.shell} }
	shell          = func(s *session) []int { return []int{s.shell} }
	client         = func(s *session) []int { return []int{s.client} }
)

var (
	exit   = way{"exit", func(t *testing.T, s *session) { s.tm.typeln(t, "exit") }}
	hangup = way{"terminal closed", func(t *testing.T, s *session) { s.tm.close() }}
	quit   = way{"QUIT", func(t *testing.T, s *session) { io.WriteString(s.keys, "QUIT\r\n") }}

	terminateServer = way{"server terminated", func(t *testing.T, s *session) {
		if err := syscall.Kill(s.server, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}}
)

// programs is the table. It contains every cell; a cell that cannot be tested says
// why.
var programs = []program{
	{
		name:     "sshd",
		login:    loginSSHD,
		killed:   []way{kill("monitor and child", serverAndChild), kill("monitor, child and shell", all), deaf(kill("monitor and child", serverAndChild))},
		ended:    []way{exit, kill("client", client), kill("shell", shell), kill("child", func(s *session) []int { return []int{s.child} })},
		outlived: []way{kill("monitor", server)},
	},
	{
		name:   "dropbear",
		login:  loginDropbear,
		killed: []way{kill("session process", server), kill("session process and shell", serverAndShell)},
		ended:  []way{exit, kill("client", client), kill("shell", shell)},
		cannot: "ut_pid is the shell",
	},
	{
		name:     "login",
		login:    loginOnPTY(startLogin),
		start:    startLogin,
		silent:   map[suite]string{trixie: "Debian 13's login writes no utmp"},
		unmarked: true,
		killed:   []way{kill("shell", shell), kill("login", server), kill("login and shell", serverAndShell), hangup},
		ended:    []way{exit},
		cannot:   "ut_pid is the shell",
	},
	{
		name:   "busybox login",
		login:  loginOnPTY(startBusyboxLogin),
		killed: []way{kill("login", server), kill("login and shell", serverAndShell)},
		ended:  []way{exit, kill("shell", shell)},
		cannot: "ut_pid leads the session: its death hangs the terminal up, and the shell ends",
	},
	{
		name:   "tmux",
		login:  loginMultiplexer(startTmux),
		start:  startTmux,
		silent: map[suite]string{trixie: "Debian 13's tmux is built without utempter"},
		killed: []way{kill("server", server), kill("server and shell", serverAndShell), deaf(kill("server", server))},
		ended:  []way{exit, terminateServer, kill("shell", shell)},
		cannot: "ut_pid, the server, holds the terminal: it is gone with it",
	},
	{
		name:     "screen as root",
		login:    loginMultiplexer(startScreenRoot),
		start:    startScreenRoot,
		silent:   map[suite]string{trixie: "Debian 13's screen is built without utmp"},
		unlogged: true,
		killed:   []way{kill("server", server), kill("server and shell", serverAndShell)},
		ended:    []way{exit, terminateServer, kill("shell", shell)},
		cannot:   "ut_pid is the window's shell",
	},
	{
		name:   "screen as a user",
		login:  loginMultiplexer(startScreenUser),
		start:  startScreenUser,
		silent: map[suite]string{trixie: "Debian 13's screen is built without utmp"},
		killed: []way{kill("server", server), kill("server and shell", serverAndShell)},
		ended:  []way{exit, terminateServer, kill("shell", shell)},
		cannot: "ut_pid, the server, holds the terminal: it is gone with it",
	},
	{
		name:   "vsftpd",
		login:  loginVsftpd,
		killed: []way{kill("root parent", server), kill("root parent and child", serverAndChild)},
		ended:  []way{quit, kill("client", client), kill("child", func(s *session) []int { return []int{s.child} })},
		cannot: "there is no shell",
	},
	{
		name:     "C program",
		login:    loginC,
		killed:   []way{kill("program and shell", serverAndShell), {"program killed, terminal closed", func(t *testing.T, s *session) { kill("", server).do(t, s); s.tm.close() }}},
		ended:    []way{exit, hangup, kill("shell", shell)},
		outlived: []way{kill("program", server)},
	},
}

// The cases: the columns of the table.
const (
	caseKilled   = "killed"
	caseEnded    = "ended"
	caseOutlived = "ut_pid killed"
)

var cases = []string{caseKilled, caseEnded, caseOutlived}

// cell returns the ways of a cell, or the reason why it cannot be tested.
func (p *program) cell(s suite, name string) ([]way, string) {
	if why := p.silent[s]; why != "" {
		return nil, why
	}
	switch name {
	case caseKilled:
		return p.killed, ""
	case caseEnded:
		return p.ended, ""
	}
	return p.outlived, p.cannot
}

// TestPrograms runs the table: each way of each cell in a guest of its own.
func TestPrograms(t *testing.T) {
	if !inside() {
		t.Parallel()
		t.Cleanup(func() { table.requireAll(t) })
	}
	for i := range programs {
		p := &programs[i]
		for _, s := range suites {
			for _, name := range cases {
				ways, _ := p.cell(s, name)
				for _, w := range ways {
					t.Run(p.name+"/"+s.title()+"/"+name+"/"+w.name, func(t *testing.T) {
						if enter(t, s) {
							p.judge(t, name, w)
						} else {
							table.add(p.name, s, name, t)
						}
					})
				}
			}
		}
	}
}

// TestSilentPrograms checks that the programs that the table marks as silent still
// keep no utmp. When that changes, their cells can be tested.
func TestSilentPrograms(t *testing.T) {
	if !inside() {
		t.Parallel()
	}
	for i := range programs {
		p := &programs[i]
		for _, s := range slices.Sorted(maps.Keys(p.silent)) {
			t.Run(p.name+"/"+s.title(), func(t *testing.T) {
				if !enter(t, s) {
					return
				}
				tm, _ := p.start(t)
				tm.ready(t)
				if got := entries(t); len(got) > 0 {
					t.Errorf("it wrote to utmp: %v", got)
				}
				for _, r := range records(t, wtmpFile)[1:] {
					t.Errorf("it wrote to wtmp: %v", r)
				}
			})
		}
	}
}
