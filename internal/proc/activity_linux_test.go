// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"golang.org/x/sys/unix"
)

func TestDescribe(t *testing.T) {
	d, ok := Describe(int32(os.Getpid()))
	if !ok || d.ID.PID != int32(os.Getpid()) || d.Parent != int32(os.Getppid()) || d.Stopped || !strings.HasPrefix(d.Command, os.Args[0]) {
		t.Errorf("%+v, %v", d, ok)
	}
	c := start(t, "exit:0")
	if err := unix.Kill(int(c.pid()), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var s unix.WaitStatus
	if _, err := unix.Wait4(int(c.pid()), &s, unix.WUNTRACED, nil); err != nil {
		t.Fatal(err)
	}
	if d, _ := Describe(c.pid()); !d.Stopped {
		t.Errorf("a stopped process: %+v", d)
	}
	if err := unix.Kill(int(c.pid()), unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, ok := Describe(1 << 30); ok {
		t.Error("described what does not exist")
	}
}

func TestNameOf(t *testing.T) {
	for _, tt := range []struct {
		major, minor uint32
		want         string
	}{{136, 0, "pts/0"}, {136, 7, "pts/7"}, {136, 300, "pts/300"}, {137, 1, "pts/257"}, {4, 1, "tty1"}, {4, 63, "tty63"}, {4, 0, ""}, {4, 64, ""}, {5, 1, ""}, {204, 64, ""}} {
		if got := nameOf(deviceNumber(tt.major, tt.minor)); got != tt.want {
			t.Errorf("%d, %d: %q, want %q", tt.major, tt.minor, got, tt.want)
		}
	}
}

// TestTerminalUse: of the foreground job its leader, else the youngest.
func TestTerminalUse(t *testing.T) {
	none := int32(1 << 30) // no such process: nothing is contained
	shell := stat{pid: none, session: none, group: none, front: none + 2, state: 'S', threads: 1, start: 10}
	first := stat{pid: none + 2, session: none, group: none + 2, front: none + 2, state: 'R', threads: 1, start: 20}
	second := stat{pid: none + 3, session: none, group: none + 2, front: none + 2, state: 'R', threads: 1, start: 30}
	third := second
	third.pid, third.start = none+4, 40
	back := stat{pid: none + 5, session: none, group: none + 5, front: none + 2, state: 'R', threads: 1, start: 50}
	login := shell
	login.front = none
	prompt, below := login, login
	below.pid, below.start = none+7, 70
	back2 := back
	back2.front = none
	zombie := third
	zombie.pid, zombie.state, zombie.start = none+6, 'Z', 60
	for _, tt := range []struct {
		name string
		seen []stat
		want int32
	}{
		{"the leader of the job", []stat{shell, first, second, back}, first.pid},
		{"in another order", []stat{second, back, first, third, shell}, first.pid},
		{"the leader has ended", []stat{shell, third, second, zombie}, third.pid},
		{"the session's leader has the foreground", []stat{login, below}, below.pid},
		{"the shell itself", []stat{prompt, back2}, prompt.pid},
		{"nothing in the foreground", []stat{shell, back}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var u terminalUse
			for _, s := range tt.seen {
				u.see(s)
			}
			if u.running.pid != tt.want || u.leader.pid != shell.pid {
				t.Errorf("runs %d, led by %d", u.running.pid, u.leader.pid)
			}
		})
	}
}

func TestLogins(t *testing.T) {
	c := start(t, "exit:0")
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const rest = "STATE=active\nREMOTE=1\nREMOTE_HOST=desk\nSERVICE=sshd\nREALTIME=1780000000123456\n"
	write("7", fmt.Sprintf("UID=1000\nUSER=alice\nCLASS=user\nLEADER=%d\n", c.pid())+rest)
	write("8", "USER=bob\nCLASS=user\nVTNR=3\nLEADER=1073741824\nSTATE=closing\n")
	write("9", "USER=gdm\nCLASS=greeter\n")
	write("10", "USER=root\nCLASS=user\nTTY=pts/1\nSERVICE=systemd-run0\nLEADER=1073741824\n")
	write("c1", "USER=\nCLASS=user\n")
	if err := unix.Mkfifo(filepath.Join(dir, "7.ref"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := logins(dir)
	want := []Login{
		{ID: "7", User: "alice", Class: "user", Service: "sshd", State: "active", Host: "desk", Began: time.UnixMicro(1780000000123456), Leader: c.pid(), Lives: true},
		{ID: "8", User: "bob", Class: "user", State: "closing", TTY: "tty3", Leader: 1 << 30},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
	if got, err := logins(filepath.Join(dir, "none")); got != nil || err != nil {
		t.Errorf("without logind: %v, %v", got, err)
	}
}

// TestParseScope: a user can make control groups of any name below a service that is delegated,
// and so pretend to be in somebody else's session.
func TestParseScope(t *testing.T) {
	for _, c := range []struct{ name, text, first, want string }{
		{"a session", "0::/user.slice/user-1000.slice/session-5.scope\n", "0::/init.scope\n", "5"},
		{"one with a part", "0::/user.slice/user-1000.slice/session-c1.scope/part\n", "0::/init.scope\n", "c1"},
		{"in a container without its own root", "0::/lxc/web/user.slice/user-0.slice/session-7.scope\n", "0::/lxc/web/init.scope\n", "7"},
		{"in a container with a first process at the root", "0::/user.slice/user-0.slice/session-7.scope\n", "0::/\n", "7"},
		{"of both versions", "12:cpu:/\n1:name=systemd:/user.slice/user-1.slice/session-3.scope\n0::/user.slice/user-1.slice/session-3.scope\n", "12:cpu:/\n1:name=systemd:/init.scope\n0::/init.scope\n", "3"},
		{"elogind", "3:cpu:/\n1:name=elogind:/12\n0::/\n", "1:name=elogind:/\n0::/\n", "12"},
		{"none", "0::/system.slice/cron.service\n", "0::/init.scope\n", ""},
		{"a service", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", "0::/init.scope\n", ""},
		{"a user's group", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/session-5.scope\n", "0::/init.scope\n", ""},
		{"a user's groups", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/user-0.slice/session-5.scope\n", "0::/init.scope\n", ""},
		{"a delegated service's", "0::/system.slice/x.service/user.slice/user-0.slice/session-5.scope\n", "0::/init.scope\n", ""},
		{"nothing", "", "", ""},
	} {
		if got := parseScope(c.text, c.first); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
