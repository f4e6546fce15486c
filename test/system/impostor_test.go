// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// In these tests somebody else leads a terminal of the same number, by malice or not. He
// must neither end the session on that line nor keep its record.

// mallory is an ordinary user who has no session.
const mallory = 4242

// impostor is a program that leads a terminal with somebody else's number.
type impostor struct {
	cmd    *exec.Cmd
	in     io.Writer
	out    *bufio.Reader
	leader int
}

// newImpostor starts one, which leads a terminal of its own if how is not "take".
func newImpostor(t *testing.T, how, line string) *impostor {
	t.Helper()
	cmd := exec.Command(compile(t, "impostor"), how, strings.TrimPrefix(line, "pts/"))
	if how == "chroot" { // root's, and without malice
		cmd.Args = append(cmd.Args, makeChroot(t))
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: mallory, Gid: mallory}}
	}
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	i := &impostor{cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() { i.end(t) })
	if how != "take" {
		i.awaitLeader(t)
	} else if line, err := i.out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("the impostor says %q (%v)", line, err)
	}
	return i
}

// makeChroot makes a directory that has a devpts of its own.
func makeChroot(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/dev/pts", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("devpts", dir+"/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir+"/dev/pts", unix.MNT_DETACH) })
	return dir
}

// takes has the impostor take the terminal, once its number is free.
func (i *impostor) takes(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(i.in, "\n"); err != nil {
		t.Fatal(err)
	}
	i.awaitLeader(t)
}

func (i *impostor) awaitLeader(t *testing.T) {
	t.Helper()
	line, err := i.out.ReadString('\n')
	if i.leader, _ = strconv.Atoi(strings.TrimSpace(line)); i.leader == 0 {
		t.Fatalf("the impostor says %q (%v)", line, err)
	}
}

// leads checks that the impostor leads a terminal of that number, as /proc has it.
func (i *impostor) leads(t *testing.T, line string) {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat("/dev/"+line, &st); err != nil {
		t.Fatal(err)
	}
	if p, _ := readProcess(i.leader); p.session != i.leader || p.tty != st.Rdev {
		t.Fatalf("the impostor is %+v, and %s is device %#x", p, line, st.Rdev)
	}
}

func (i *impostor) end(t *testing.T) {
	t.Helper()
	if i.leader != 0 {
		syscall.Kill(i.leader, syscall.SIGKILL)
	}
	i.cmd.Process.Kill()
	if i.cmd.SysProcAttr != nil { // all that is mallory's, also what does not show itself
		all := exec.Command("/bin/sh", "-c", "kill -KILL -1")
		all.SysProcAttr = i.cmd.SysProcAttr
		all.Run()
	}
	i.cmd.Wait()
	if i.leader != 0 {
		waitFor(t, generous, "the impostor's end", func() bool { return !alive(i.leader) })
	}
}

// elsewhere are the ways to lead a terminal with that number in another devpts.
var elsewhere = []string{"container", "handed", "chroot"}

// TestImpostorEnds: the session lives on by its shell. Neither the impostor's life nor his
// end is its own.
func TestImpostorEnds(t *testing.T) {
	parallel(t)
	for _, how := range elsewhere {
		t.Run(how, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			d, p := startUtmpd(t), &program{}
			s := loginC(t)
			i := newImpostor(t, how, s.entry.Line)
			i.leads(t, s.entry.Line)
			p.mustOutlive(t, d, s, kill("its ut_pid", server))
			utmp := string(readFile(t, utmpFile))
			i.end(t)
			holds(t, grace+1500*time.Millisecond, "the session lives, the impostor has ended", func() bool {
				return alive(s.shell) && utmp == string(readFile(t, utmpFile))
			})
			p.mustEnd(t, s, outlivedShell)
		})
	}
}

// TestCrowdOfImpostors: a hundred impostors were there before the session, so that it is the
// last of all that seem to lead its terminal.
func TestCrowdOfImpostors(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d, p := startUtmpd(t), &program{}
	i := newImpostor(t, "crowd", "pts/0")
	s := loginC(t)
	if s.entry.Line != "pts/0" {
		t.Fatalf("the session is on %s", s.entry.Line)
	}
	s.shell = childOf(t, s.server) // not the first that seems to lead the line
	i.leads(t, s.entry.Line)
	p.mustOutlive(t, d, s, kill("its ut_pid", server))
	p.mustEnd(t, s, outlivedShell)
}

// wholly ends a session whose terminal stays.
var wholly = way{name: "its ut_pid and its shell", do: func(t *testing.T, s *session) {
	for _, pid := range []int{s.server, s.shell} {
		syscall.Kill(pid, syscall.SIGKILL)
		waitFor(t, generous, "the death of a process", func() bool { return !alive(pid) })
	}
}}

// TestImpostorKeeps: the session has ended, and its terminal is still there.
func TestImpostorKeeps(t *testing.T) {
	parallel(t)
	for _, how := range elsewhere {
		t.Run(how, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			startUtmpd(t)
			s := loginC(t)
			i := newImpostor(t, how, s.entry.Line)
			i.leads(t, s.entry.Line)
			(&program{}).mustEnd(t, s, wholly)
			i.leads(t, s.entry.Line)
		})
	}
}

// givenUp ends a session and its terminal, whose number the impostor takes.
func givenUp(i *impostor) way {
	return way{name: wholly.name, do: func(t *testing.T, s *session) {
		wholly.do(t, s)
		s.tm.close()
		i.takes(t)
		i.leads(t, s.entry.Line)
	}}
}

// TestTerminalTaken: the session and its terminal are gone, and a process of another user
// that began before leads one that has the same number now.
func TestTerminalTaken(t *testing.T) {
	parallel(t)
	for _, c := range []struct{ name, user string }{
		{"a user known here", "alice"},
		{"a user whose name does not resolve here", "carol"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			d := startUtmpd(t)
			s := loginCAs(t, c.user)
			holdsTerminal(t, d, s.entry.Line)
			i := newImpostor(t, "take", s.entry.Line)
			(&program{}).mustEnd(t, s, givenUp(i))
			i.leads(t, s.entry.Line)
		})
	}
}

// TestTerminalTakenCrowded is the same where an ordinary user has had as many terminals
// recorded as utmpd may keep descriptors: the terminals of others are kept in view too.
func TestTerminalTakenCrowded(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	const most = 12
	d := startUtmpd(t, fmt.Sprintf("MAX_FDS=%d", most))
	lives := sleeper(t, exec.Command("sleep", "infinity"))
	put := compile(t, "put")
	for range 3 * most {
		tm := openTerminal(t)
		if err := os.Chown("/dev/"+tm.line, mallory, mallory); err != nil {
			t.Fatal(err)
		}
		record := exec.Command(put, fmt.Sprint(int(utmpx.UserProcess)), tm.line, strings.TrimPrefix(tm.line, "pts/"), "mallory", fmt.Sprint(lives.Process.Pid))
		if out, err := record.CombinedOutput(); err != nil {
			t.Fatalf("put: %v\n%s", err, out)
		}
	}
	d.waitLog(t, "cannot keep more terminals in view")
	s := loginC(t)
	holdsTerminal(t, d, s.entry.Line)
	i := newImpostor(t, "take", s.entry.Line)
	(&program{}).mustEnd(t, s, givenUp(i))
	i.leads(t, s.entry.Line)
}

// TestTerminalTakenHidden is the same where /proc hides who leads a terminal. While the
// terminal is the session's, its record stays.
func TestTerminalTakenHidden(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	makeUser(t)
	hideProcesses(t, "2")
	d := startUtmpd(t, "RUN_AS="+ownUser)
	s := loginC(t)
	holdsTerminal(t, d, s.entry.Line)
	i := newImpostor(t, "take", s.entry.Line)
	kill("its ut_pid", server).do(t, s)
	d.waitLog(t, "session left alone", "line="+s.entry.Line, "/proc hides who leads it")
	holds(t, grace+retryHidden+time.Second, "the record of a session that may live", func() bool { return whoShows(t, s.entry.Line) })
	givenUp(i).do(t, s)
	waitFor(t, generous, "who to stop showing the session", func() bool { return !whoShows(t, s.entry.Line) })
	i.leads(t, s.entry.Line)
}

// retryHidden is after how long utmpd asks again where /proc hides processes.
const retryHidden = 5 * time.Second

// TestFollowedTerminal: utmpd follows the leader of a terminal, who then loses it and lives.
func TestFollowedTerminal(t *testing.T) {
	parallel(t)
	for _, taken := range []bool{false, true} {
		t.Run(fmt.Sprintf("taken=%v", taken), func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			d := startUtmpd(t, "SCAN_PERIOD=1")
			s := loginC(t)
			i := newImpostor(t, "take", s.entry.Line)
			s.tm.typeln(t, "trap '' HUP; exec sleep infinity <&- >&- 2>&-")
			waitFor(t, generous, "the shell to become another program", func() bool {
				p, _ := readProcess(s.shell)
				return p.name == "sleep"
			})
			kill("its ut_pid", server).do(t, s)
			d.waitLog(t, "session left alone", "line="+s.entry.Line, fmt.Sprintf("pid %d", s.shell))
			holds(t, 2500*time.Millisecond, "the record of a session that lives", func() bool { return whoShows(t, s.entry.Line) })
			died := death{from: time.Now()}
			s.tm.close()
			if taken {
				i.takes(t)
				i.leads(t, s.entry.Line)
			}
			waitFor(t, generous, "who to stop showing the session", func() bool { return !whoShows(t, s.entry.Line) })
			died.to = time.Now()
			(&program{}).checkEntry(t, s, died)
			d.waitLog(t, "session ended", "line="+s.entry.Line, `found="its terminal is gone"`)
			if !alive(s.shell) {
				t.Error("the leader has ended with its terminal")
			}
		})
	}
}

// holdsTerminal waits until utmpd holds a descriptor of a terminal.
func holdsTerminal(t *testing.T, d *utmpd, line string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd/", d.cmd.Process.Pid)
	waitFor(t, generous, "utmpd to hold "+line, func() bool {
		names, _ := os.ReadDir(dir)
		for _, name := range names {
			if to, _ := os.Readlink(dir + name.Name()); to == "/dev/"+line {
				return true
			}
		}
		return false
	})
}
