// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo terminal whose master the test holds, as a terminal
// emulator would.
type terminal struct {
	master *os.File
	line   string // pts/0
	asked  int    // number of questions to the shell

	mu     sync.Mutex
	screen []byte // everything printed so far
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN); err == nil {
			err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		}
		if err == nil {
			err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	tm := &terminal{master: master, line: fmt.Sprintf("pts/%d", n)}
	t.Cleanup(func() {
		tm.close()
		if t.Failed() {
			t.Logf("%s showed %q", tm.line, tm.shown())
		}
	})
	go tm.drain()
	return tm
}

func (tm *terminal) drain() {
	b := make([]byte, 4096)
	for {
		n, err := tm.master.Read(b)
		tm.mu.Lock()
		tm.screen = append(tm.screen, b[:n]...)
		tm.mu.Unlock()
		switch {
		case errors.Is(err, syscall.EIO):
			// No process has the slave open. After a vhangup one will open it again.
			time.Sleep(10 * time.Millisecond)
		case err != nil:
			return
		}
	}
}

// close hangs up.
func (tm *terminal) close() { tm.master.Close() }

func (tm *terminal) shown() string {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	return string(tm.screen)
}

func (tm *terminal) typeln(t *testing.T, line string) {
	t.Helper()
	if _, err := tm.master.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// ready returns when a shell has prompted, answered and prompted again on the terminal.
// Input before the prompt may be lost, because login flushes it. The second prompt is awaited
// so that a test that starts another shell does not take it for that shell's.
func (tm *terminal) ready(t *testing.T) {
	t.Helper()
	waitFor(t, generous, "a prompt on "+tm.line, func() bool {
		return strings.ContainsAny(tm.shown(), "$#")
	})
	tm.asked++
	// The answer differs from the question, which the terminal echoes.
	tm.typeln(t, fmt.Sprintf("echo ans''wer %d", tm.asked))
	waitFor(t, generous, "the shell on "+tm.line, func() bool {
		_, after, ok := strings.Cut(tm.shown(), fmt.Sprintf("answer %d", tm.asked))
		return ok && strings.ContainsAny(after, "$#")
	})
}

// start runs a program as the leader of a session on the terminal.
func (tm *terminal) start(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	tty, err := os.OpenFile("/dev/"+tm.line, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait() // leave no zombie
	return cmd
}

// process is the content of /proc/PID/stat.
type process struct {
	pid, parent, session int
	tty                  uint64
	state, name          string
}

func readProcess(pid int) (p process, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	// The name is in parentheses and may contain any character.
	s := string(b)
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	f := strings.Fields(s[end+1:])
	p = process{pid: pid, name: s[open+1 : end], state: f[0]}
	p.parent, _ = strconv.Atoi(f[1])
	p.session, _ = strconv.Atoi(f[3])
	p.tty, _ = strconv.ParseUint(f[4], 10, 64)
	return p, true
}

// processes returns all processes of the guest.
func processes() []process {
	names, _ := os.ReadDir("/proc")
	var all []process
	for _, name := range names {
		if pid, err := strconv.Atoi(name.Name()); err == nil {
			if p, ok := readProcess(pid); ok {
				all = append(all, p)
			}
		}
	}
	return all
}

// alive reports whether the process exists and is not a zombie.
func alive(pid int) bool {
	p, ok := readProcess(pid)
	return ok && p.state != "Z" && p.state != "X"
}

// leaderOf returns the living session leader on a line, or 0.
func leaderOf(line string) int {
	var st syscall.Stat_t
	if syscall.Stat("/dev/"+line, &st) != nil {
		return 0
	}
	for _, p := range processes() {
		if p.tty == st.Rdev && p.pid == p.session && p.state != "Z" {
			return p.pid
		}
	}
	return 0
}
