// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// on returns the question for a user's session on a line.
func on(t *testing.T, line, user string) showing {
	t.Helper()
	d, ok := session.ParseDisplay(line, 0)
	if !ok {
		d, ok = session.ParseVT(line)
	}
	if !ok {
		t.Fatalf("%q is no display", line)
	}
	return showing{d, user}
}

// logindFile returns the file of a session of alice on :0 and tty7, as logind
// writes it, with some lines replaced.
func logindFile(leader int32, with ...string) string {
	text := "# This is private data. Do not parse.\nUID=1000\nUSER=alice\nACTIVE=1\nIS_DISPLAY=1\nSTATE=active\nREMOTE=0\n" +
		"TYPE=x11\nCLASS=user\nSCOPE=session-c1.scope\nFIFO=/run/systemd/sessions/c1.ref\nSEAT=seat0\nTTY=tty7\nDISPLAY=:0\n" +
		"SERVICE=xdm\nVTNR=7\nLEADER=" + strconv.Itoa(int(leader)) + "\nREALTIME=1700000000000000\nMONOTONIC=5000000\n"
	for _, line := range with {
		key, _, _ := strings.Cut(line, "=")
		at := strings.Index(text, "\n"+key+"=") + 1
		end := at + strings.IndexByte(text[at:], '\n')
		text = text[:at] + line + text[end:]
	}
	return text
}

func TestWitnessesOfLogind(t *testing.T) {
	c := start(t, "exit:0")
	dead := start(t, "exit:0")
	dead.end(t, unix.SIGKILL)
	leader := session.Witness{Found: true, Logind: true, ID: session.ID{PID: c.pid(), Start: open(t, c.pid()).ID().Start}}
	for _, tt := range []struct {
		name, text, line, user string
		want                   session.Witness
	}{
		{"the display", logindFile(c.pid()), ":0", "alice", leader},
		{"the display with a screen", logindFile(c.pid(), "DISPLAY=:0.0"), ":0", "alice", leader},
		{"a display of another host", logindFile(c.pid(), "DISPLAY=ws12:0", "VTNR=", "TTY=ws12:0"), "ws12:0", "alice", leader},
		{"the virtual terminal", logindFile(c.pid(), "DISPLAY="), "tty7", "alice", leader},
		{"the virtual terminal by its name", logindFile(c.pid(), "VTNR="), "tty7", "alice", leader},
		{"another display", logindFile(c.pid()), ":9876", "alice", session.Witness{}},
		{"another virtual terminal", logindFile(c.pid()), "tty63", "alice", session.Witness{}},
		{"another user", logindFile(c.pid()), ":9876", "bob", session.Witness{}},
		{"a greeter", logindFile(c.pid(), "CLASS=greeter", "DISPLAY=:9876"), ":9876", "alice", session.Witness{}},
		{"a class of a later logind", logindFile(c.pid(), "CLASS=user-light"), ":0", "alice", leader},
		{"no display", logindFile(c.pid(), "DISPLAY="), ":9876", "alice", session.Witness{}},
		{"a dead leader", logindFile(dead.pid(), "DISPLAY=:9876"), ":9876", "alice", session.Witness{}},
		{"no leader", logindFile(0, "DISPLAY=:9876"), ":9876", "alice", session.Witness{}},
		{"an empty file", "", ":9876", "alice", session.Witness{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := unix.Mkfifo(filepath.Join(dir, "c1.ref"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mkfifo(filepath.Join(dir, "c2"), 0o600); err != nil { // opening it must not wait either
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "c1"), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			q := on(t, tt.line, tt.user)
			want := map[showing]session.Witness{q: tt.want}
			if diff := cmp.Diff(want, witnesses(dir, []showing{q})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWitnessesWithoutLogind(t *testing.T) {
	q := on(t, ":9876", "alice")
	if got := witnesses(filepath.Join(t.TempDir(), "none"), []showing{q})[q]; got != (session.Witness{}) {
		t.Errorf("%+v", got)
	}
	file := filepath.Join(t.TempDir(), "file") // what cannot be listed
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := witnesses(file, []showing{q})[q]; !got.Unknown || got.Found {
		t.Errorf("a directory that cannot be read: %+v", got)
	}
}

// TestWitnessesXServer checks that the X server of a display is found by its
// arguments, if it is root's or the user's.
func TestWitnessesXServer(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	unreadable := filepath.Join(dir, "Xvfb") // as the directory of logind
	if err := os.WriteFile(unreadable, self, 0o700); err != nil {
		t.Fatal(err)
	}
	c := start(t, "exit:0", func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args = filepath.Join(dir, "Xvfb"), []string{"Xvfb", "-screen", "0", ":9876"}
	})
	q, other := on(t, ":9876", me.Username), on(t, ":9877", me.Username)
	want := map[showing]session.Witness{
		q:     {Found: true, ID: session.ID{PID: c.pid(), Start: open(t, c.pid()).ID().Start}},
		other: {},
	}
	if diff := cmp.Diff(want, witnesses(filepath.Join(dir, "none"), []showing{q, other})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := witnesses(unreadable, []showing{q})[q]; !got.Found || !got.Unknown {
		t.Errorf("logind's files cannot be read: %+v", got)
	}
	c.end(t, unix.SIGKILL)
	if got := witnesses(filepath.Join(dir, "none"), []showing{q})[q]; got.Found {
		t.Errorf("a dead X server: %+v", got)
	}
}

// TestXServerOfAnother checks that the arguments of a process are not read if its user may
// not show the session.
func TestXServerOfAnother(t *testing.T) {
	const name, other = "daemon", 2 // whose uid is 1
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the other enters it
		t.Fatal(err)
	}
	c := start(t, "exit:0", func(cmd *exec.Cmd) {
		self, err := os.ReadFile("/proc/self/exe")
		if err == nil {
			cmd.Path = filepath.Join(dir, "Xvfb")
			err = os.WriteFile(cmd.Path, self, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		if cmd.Args = []string{"Xvfb", ":9876"}; os.Getuid() <= 1 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: other, Gid: other}}
		}
	})
	was, read := readCommand, map[int32]bool{}
	t.Cleanup(func() { readCommand = was })
	readCommand = func(pid int32, buf []byte) (int, error) {
		read[pid] = true
		return was(pid, buf)
	}
	q := on(t, ":9876", name)
	if got := witnesses(filepath.Join(dir, "none"), []showing{q})[q]; got.Found || read[c.pid()] {
		t.Errorf("%+v, and the arguments were read: %v", got, read[c.pid()])
	}
}

func TestParseXArgs(t *testing.T) {
	for _, tt := range []struct {
		name        string
		args        []string
		display, vt int
	}{
		{"a display", []string{"Xorg", ":1", "-auth", "x"}, 1, 0},
		{"a display at the end", []string{"Xvnc", "-desktop", "a:3", ":2"}, 2, 0},
		{"both", []string{"X", "-nolisten", "tcp", ":0", "vt7"}, 0, 7},
		{"the terminal first", []string{"X", "vt7", ":0"}, 0, 7},
		{"nothing", []string{"Xorg"}, 0, 0},
		{"a number that is free", []string{"Xorg", "vt2", "-displayfd", "3"}, -1, 2},
		{"both given", []string{"Xwayland", ":5", "-displayfd", "3"}, 5, 0},
		{"a program named like one", []string{":3", "-x"}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if display, vt := parseXArgs(strings.Join(tt.args, "\x00") + "\x00"); display != tt.display || vt != tt.vt {
				t.Errorf("%d, %d, want %d, %d", display, vt, tt.display, tt.vt)
			}
		})
	}
}

// TestOfServers checks who may show whose session.
func TestOfServers(t *testing.T) {
	of := func(uid uint32, display, vt int) []xServer {
		return []xServer{{id: session.ID{PID: 7}, display: display, vt: vt, uid: uid}}
	}
	found, unknown := session.Witness{Found: true, ID: session.ID{PID: 7}}, session.Witness{Unknown: true}
	const nobody = 3_999_999 // has no name
	for _, tt := range []struct {
		name       string
		servers    []xServer
		line, user string
		want       session.Witness
	}{
		{"root's", of(0, 0, 0), ":0", "daemon", found},
		{"the user's", of(1, 0, 0), ":0.0", "daemon", found},
		{"another user's", of(2, 0, 0), ":0", "daemon", session.Witness{}},
		{"of a user without a name", of(nobody, 0, 0), ":0", "daemon", session.Witness{}},
		{"of one who may be the user", of(nobody, 0, 0), ":0", "a name of LDAP", found},
		{"another than one who may be the user", of(1, 0, 0), ":0", "a name of LDAP", session.Witness{}},
		{"another display", of(0, 1, 0), ":0", "daemon", session.Witness{}},
		{"an unknown display", of(0, -1, 0), ":0", "daemon", unknown},
		{"another user's unknown display", of(2, -1, 0), ":0", "daemon", session.Witness{}},
		{"a display of another host", of(0, 0, 0), "ws12:0", "daemon", session.Witness{}},
		{"an unknown display of another host", of(0, -1, 0), "ws12:0", "daemon", session.Witness{}},
		{"on the virtual terminal", of(0, 0, 7), "tty7", "daemon", found},
		{"on another virtual terminal", of(0, 0, 8), "tty7", "daemon", session.Witness{}},
		{"on an unknown virtual terminal", of(0, 0, 0), "tty7", "daemon", unknown},
		{"on none", of(0, 0, -1), "tty7", "daemon", session.Witness{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ofServers(tt.servers, on(t, tt.line, tt.user), showers{}); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestIdle(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: a process of another user")
	}
	const working, resting, unknown = "daemon", "games", "no-such-user"
	start(t, "exit:0", func(cmd *exec.Cmd) {
		cmd.Path = "/bin/sh"
		cmd.Args = []string{"sh", "-c", "echo ready; read x"}
		cmd.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: 1, Gid: 1}}
	})
	got, err := idle([]string{working, resting, unknown, "root", ""})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]bool{resting: true}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
