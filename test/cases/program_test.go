// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// world is the machine of a case. Its files are run/utmp and wtmp.
type world struct {
	dir, utmp, wtmp, conf string
}

// newWorld writes the files and the settings of a machine.
func newWorld(t *testing.T, utmp, wtmp []byte, keys ...string) world {
	t.Helper()
	dir := os.Getenv(worldEnv)
	w := world{dir: dir, utmp: filepath.Join(dir, "run/utmp"), wtmp: filepath.Join(dir, "wtmp"), conf: filepath.Join(dir, "conf")}
	w.write(t, w.utmp, utmp)
	w.write(t, w.wtmp, wtmp)
	w.write(t, w.conf, []byte(fmt.Sprintf("UTMPX_FILE=%s\nWTMPX_FILE=%s\nRUN_DIR=%s/run/utmpd\nSTATE_DIR=%s/state\nRUNLEVEL_RECORDS=no\n%s\n", w.utmp, w.wtmp, dir, dir, strings.Join(keys, "\n"))))
	return w
}

// write makes a file. nil makes none.
func (w world) write(t *testing.T, name string, b []byte) {
	t.Helper()
	if b == nil {
		return
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// add appends records to files, as a program does that logs somebody in.
func (w world) add(t *testing.T, r rec, names ...string) {
	t.Helper()
	for _, name := range names {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Write(x86.bytes(r))
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// daemon is a running utmpd.
type daemon struct {
	cmd *exec.Cmd
	mu  sync.Mutex
	log bytes.Buffer
}

func (d *daemon) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

func (d *daemon) logged() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// start runs utmpd until the end of the test, which shows its log if it failed.
func (w world) start(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{cmd: exec.Command(utmpd, "-foreground", "-config", w.conf)}
	d.cmd.Stdout, d.cmd.Stderr = d, d
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.cmd.Process.Signal(syscall.SIGTERM)
		if err := d.cmd.Wait(); err != nil && !strings.Contains(d.logged(), `msg="utmpd ends"`) {
			t.Errorf("utmpd: %v", err)
		}
		if t.Failed() {
			t.Logf("utmpd's log:\n%s", d.logged())
			for _, name := range []string{w.utmp, w.wtmp} {
				if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Size() < 20*384 {
					t.Logf("%s: %v", name, records(t, name))
				}
			}
		}
	})
	await(t, "utmpd's start", func() bool { return strings.Contains(d.logged(), `msg="utmpd started"`) })
	return d
}

// of finds the record of a user's or a dead session in a file, by its pid.
func (w world) of(t *testing.T, name string, typ int16, pid int) (rec, bool) {
	t.Helper()
	all := records(t, name)
	i := slices.IndexFunc(all, func(r rec) bool { return r.typ == typ && r.pid == int32(pid) })
	if i < 0 {
		return rec{}, false
	}
	return all[i], true
}

// cleaned waits until the session's record is marked dead.
func (w world) cleaned(t *testing.T, pid int) {
	t.Helper()
	await(t, fmt.Sprintf("the record of %d is cleaned", pid), func() bool { _, ok := w.of(t, w.utmp, typeDead, pid); return ok })
}

// loggedOut waits until the line has a logout in wtmp, and returns it.
func (w world) loggedOut(t *testing.T, line string) rec {
	t.Helper()
	var out rec
	await(t, "a logout of "+line, func() bool {
		all := records(t, w.wtmp)
		i := slices.IndexFunc(all, func(r rec) bool { return r.typ == typeDead && r.line == line })
		if i >= 0 {
			out = all[i]
		}
		return i >= 0
	})
	return out
}

// stays checks that a session is recorded as living. Another session, which has just
// died, is awaited first: then all that died before has been judged.
func (w world) stays(t *testing.T, pid int, line string) {
	t.Helper()
	if _, ok := w.of(t, w.utmp, typeUser, pid); !ok {
		t.Errorf("the record of %d on %s was cleaned", pid, line)
	}
	w.open(t, pid, line)
}

// judged lets a session on a line of its own begin and die, and waits until it is
// cleaned. What utmpd knew before it has judged by then, twice.
func (w world) judged(t *testing.T) {
	t.Helper()
	for i := range 2 {
		s := sleeper(t)
		w.add(t, login("witness", fmt.Sprintf("pts/9%d", i), s.Process.Pid, time.Now()), w.utmp, w.wtmp)
		end(t, s)
		w.cleaned(t, s.Process.Pid)
	}
}

// programs are what the test binary can be besides the tests.
var programs = map[string]func([]string){
	"sleep":    func([]string) { io.Copy(io.Discard, os.Stdin) },
	"terminal": func(args []string) { lead(args) },
}

// again is the command that runs this binary as one of the programs.
func again(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), callEnv+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// sleeper is a process that lives until end, or until the test ends.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := again("sleep")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return cmd
}

// end kills a process and waits for it.
func end(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.Process.Kill()
	cmd.Wait()
}

// gone is the pid of a process that has ended.
func gone(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// terminal is a session on a terminal of its own, as sshd makes one: a process that
// holds the other side, and a shell that leads the line.
type terminal struct {
	sshd  *exec.Cmd
	shell int
	line  string
	in    io.Writer
}

// newTerminal starts sshd and the shell.
func newTerminal(t *testing.T) terminal {
	t.Helper()
	cmd := again("terminal")
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
	t.Cleanup(func() { in.Close(); end(t, cmd) })
	var s terminal
	s.sshd, s.in = cmd, in
	if _, err := fmt.Fscan(out, &s.line, &s.shell); err != nil {
		t.Fatal(err)
	}
	return s
}

// id is the end of the line's name, after "pts/".
func (s terminal) id() string { return strings.TrimPrefix(s.line, "pts/") }

// lead is the program "terminal". It opens a terminal and starts a shell as its leader,
// then prints the line and the shell's pid, and waits for the end of its input.
func lead([]string) {
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		panic(err)
	}
	number, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		panic(err)
	}
	line := "pts/" + strconv.Itoa(number)
	tty, err := os.OpenFile("/dev/"+line, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		panic(err)
	}
	shell := exec.Command("/bin/sh", "-c", "while read -r command; do eval \"$command\"; done")
	shell.Stdin, shell.Stdout, shell.Stderr = tty, tty, tty
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := shell.Start(); err != nil {
		panic(err)
	}
	fmt.Println(line, shell.Process.Pid)
	io.Copy(ptmx, os.Stdin)
}

// span is a boot as utmpctl downtime tells it.
type span struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	End   string    `json:"end"`
	Up    *float64  `json:"up_seconds"`
	Down  *float64  `json:"down_seconds"`
	Most  bool      `json:"down_at_most"`
	Exact *bool     `json:"exact"`
}

// history is what utmpctl downtime -json prints.
type history struct {
	Boots []span `json:"boots"`
	Total struct {
		From    time.Time `json:"from"`
		To      time.Time `json:"to"`
		Boots   int       `json:"boots"`
		Crashes int       `json:"crashes"`
		Up      float64   `json:"up_seconds"`
		Down    float64   `json:"down_seconds"`
		Unknown float64   `json:"unknown_seconds"`
		Least   *float64  `json:"availability_least"`
		Most    *float64  `json:"availability_most"`
	} `json:"total"`
}

// downtime runs utmpctl downtime and returns what it tells, and says to stderr.
func downtime(t *testing.T, args ...string) (history, string) {
	t.Helper()
	cmd := exec.Command(utmpctl, append([]string{"downtime", "-json"}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Logf("utmpctl downtime: %v: %s", err, said.String())
	}
	var h history
	if err := json.Unmarshal(out, &h); err != nil {
		t.Fatalf("utmpctl downtime: %v\n%s%s", err, out, said.String())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("utmpctl downtime: %s%s", out, said.String())
		}
	})
	return h, said.String()
}

// bootHelper runs utmpctl boot and returns what it prints.
func (w world) bootHelper(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(utmpctl, "boot", "-config", w.conf).CombinedOutput()
	if err != nil {
		t.Errorf("utmpctl boot: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("utmpctl boot:\n%s", out)
		}
	})
	return string(out)
}

// from returns the boot that began at a time.
func (h history) from(t *testing.T, at string) span {
	t.Helper()
	i := slices.IndexFunc(h.Boots, func(b span) bool { return b.From.Equal(on(at)) })
	if i < 0 {
		t.Errorf("no boot of %s", at)
		return span{}
	}
	return h.Boots[i]
}

// was checks when a boot began and how and when it ended.
func (h history) was(t *testing.T, from, to, end string) {
	t.Helper()
	if b := h.from(t, from); !b.To.Equal(on(to)) || b.End != end {
		t.Errorf("the boot of %s: %s at %v, want %s at %s", from, b.End, b.To, end, to)
	}
}
