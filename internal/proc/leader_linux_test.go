// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// newTerminal opens a pseudo-terminal and returns its line, such as pts/3.
func newTerminal(t *testing.T) (terminal *os.File, line string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	number, err := unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	line = fmt.Sprintf("pts/%d", number)
	terminal, err = os.OpenFile("/dev/"+line, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return terminal, line
}

// onTerminal makes a child the leader of a session on terminal.
func onTerminal(terminal *os.File) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		cmd.ExtraFiles = []*os.File{terminal}
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	}
}

func TestLeaders(t *testing.T) {
	terminal, line := newTerminal(t)
	empty, emptyLine := newTerminal(t)
	_ = empty
	c := start(t, "session", onTerminal(terminal))
	leaderless, leaderlessLine := newTerminal(t)
	l := start(t, "leaderless", onTerminal(leaderless))
	id := func(c *child) session.ID { return session.ID{PID: c.pid(), Start: open(t, c.pid()).ID().Start} }
	lines := []string{line, emptyLine, leaderlessLine, "null", "pts", "pts/999999", "", "/dev/" + line, "../dev/" + line, ":0"}
	want := map[string]Leader{
		line:             {Exists: true, Found: true, ID: id(c)},
		leaderlessLine:   {Exists: true, Found: true, ID: id(l)},
		emptyLine:        {Exists: true},
		"null":           {Exists: true}, // a character device, but no terminal
		"pts":            {},
		"pts/999999":     {},
		"":               {},
		"/dev/" + line:   {},
		"../dev/" + line: {},
		":0":             {},
	}
	got, err := Leaders(lines)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.end(t, unix.SIGKILL)
	got, err = Leaders([]string{line})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]Leader{line: {Exists: true}}, got); diff != "" {
		t.Errorf("after the leader died (-want +got):\n%s", diff)
	}
}

// TestLeadersContained checks that a leader in a container is left out: its
// terminal may have the device number of one of the machine's.
func TestLeadersContained(t *testing.T) {
	terminal, line := newTerminal(t)
	try := command("exit:0")
	try.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID}
	if err := try.Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("this test needs user namespaces: %v", err)
		}
		t.Skipf("this test needs user namespaces: %v", err)
	}
	start(t, "exit:0", onTerminal(terminal), func(cmd *exec.Cmd) {
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWPID
	})
	got, err := Leaders([]string{line})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]Leader{line: {Exists: true}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLeadersNoTerminal checks that Leaders makes no pass over /proc if no
// terminal exists.
func TestLeadersNoTerminal(t *testing.T) {
	allocs := testing.AllocsPerRun(10, func() { Leaders([]string{"pts/999999"}) })
	if allocs > 30 {
		t.Errorf("%v allocations, want at most 30", allocs)
	}
}

func BenchmarkLeaders(b *testing.B) {
	for b.Loop() {
		if _, err := Leaders([]string{"null"}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestEachLeader: a pass over leaders reads no other process, unless the kernel does not say
// who leads.
func TestEachLeader(t *testing.T) {
	terminal, _ := newTerminal(t)
	c := start(t, "session", onTerminal(terminal))
	var member int32
	if !settles(func() bool {
		for _, pid := range childrenOf(c.pid()) {
			member = pid
		}
		return member != 0
	}) {
		t.Fatal("the leader has no child")
	}
	t.Cleanup(func() { getsid = unix.Getsid })
	for _, denied := range []bool{false, true} {
		if denied {
			getsid = func(int) (int, error) { return 0, unix.EACCES }
		}
		var leader, others bool
		if err := eachLeader(func(s stat) {
			leader, others = leader || s.pid == c.pid(), others || s.pid == member
		}); err != nil {
			t.Fatal(err)
		}
		if !leader || others != denied {
			t.Errorf("denied %v: leader %v, member %v", denied, leader, others)
		}
	}
}

// TestGatherDenied: the leader of a terminal is found where getsid(2) is denied.
func TestGatherDenied(t *testing.T) {
	getsid = func(int) (int, error) { return 0, unix.EPERM }
	t.Cleanup(func() { getsid = unix.Getsid })
	TestGather(t)
}
