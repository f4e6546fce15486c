// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"utmpd.dev/utmpd/utmpx"
)

// TestHostilePIDs checks records with unusual process IDs. Only records of
// processes that cannot exist are cleaned.
func TestHostilePIDs(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	p := beside(t)
	self := p.d.cmd.Process.Pid
	cases := []struct {
		name  string
		pid   int
		stays bool
	}{
		{"none", 0, true},
		{"everybody", -1, true},
		{"the least", math.MinInt32, true},
		{"a group", -p.lives.cmd.Process.Pid, true},
		{"init", 1, false},
		{"utmpd", self, false},
		{"a thread", thread(t, self), true},
		{"beyond pid_max", 4194305, false},
		{"the greatest", math.MaxInt32, false},
	}
	first := len(records(t, utmpFile))
	for i, c := range cases {
		write(t, utmpFile, -1, encode(t, user(fmt.Sprintf("h/%d", i), c.pid)))
	}
	for i, c := range cases {
		if !c.stays {
			mustDie(t, first+i)
		}
	}
	p.dies.mustGo(t, p.dies.kill(t))
	p.d.waitLog(t, "session left alone", "pid=0", "names no process")
	for i, c := range cases {
		if r := slot(t, first+i); c.stays != (r.Type == utmpx.UserProcess) {
			t.Errorf("%s: the record is %v", c.name, r)
		}
	}
	p.lives.mustStand(t)
	p.d.mustBeSmall(t, memoryLimit)
	// The next utmpd finds the record of the previous one.
	p.d.stop(t)
	p.d = startUtmpdAs(t, nil)
	mustDie(t, first+5)
	p.lives.mustStand(t)
	p.d.stop(t)
}

// thread returns the ID of a thread of a process other than its first.
func thread(t *testing.T, pid int) int {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	var tid int
	fmt.Sscan(tasks[len(tasks)-1].Name(), &tid)
	if tid == pid || tid == 0 {
		t.Fatalf("process %d has no second thread", pid)
	}
	return tid
}

// hostileTexts are texts that a member of the group utmp can put into a line, a
// user or a host, and that an ordinary user can put into ut_host with a host name.
var hostileTexts = []string{
	"..", "../../../etc/passwd", "pts/../../tmp/x", "/dev/null", "~", "%s%n", "a b=c",
	"two\nlines", "x\r\x1b[2J\x1b]0;owned\a", "\x1bP+q\x1b\\", "\x9b31m", "\xff\xfe\xc0\xaf", "\x7f\u202edesrever",
}

// TestHostileTexts checks that a record with any text is cleaned like any other,
// names no file, and passes no control character to a log, a terminal or the
// status.
func TestHostileTexts(t *testing.T) {
	parallel(t)
	for _, way := range []struct {
		name string
		run  func(t *testing.T) (shown func() string, stop func())
	}{
		{"standard error", func(t *testing.T) (func() string, func()) {
			d := startUtmpdAs(t, nil)
			return d.logged, func() { d.stop(t) }
		}},
		{"a terminal, with -debug", runOnTerminal},
		{"syslog", runWithSyslog},
	} {
		t.Run(way.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			configure(t)
			lives := []*dweller{dwell(t, "x/1"), dwell(t, "x/2"), dwell(t, "x/3"), dwell(t, "x/4"), dwell(t, "x/5")}
			shown, stop := way.run(t)
			first := len(records(t, utmpFile))
			// The ends of one process have ten lines at most.
			sleeps := []*exec.Cmd{sleeper(t, exec.Command("sleep", "infinity")), sleeper(t, exec.Command("sleep", "infinity"))}
			for i, text := range hostileTexts {
				r := user(text, sleeps[i%len(sleeps)].Process.Pid)
				r.ID = fmt.Sprint(i)
				r.User, r.Host = text, text
				write(t, utmpFile, -1, encode(t, r))
			}
			waitFor(t, generous, "the status to show all sessions", func() bool {
				return bytes.Contains(readFile(t, "/run/utmpd/status"), fmt.Appendf(nil, "\nwatched: %d\n", len(lives)+len(hostileTexts)))
			})
			for _, sleep := range sleeps {
				sleep.Process.Kill()
			}
			for i := range hostileTexts {
				mustDie(t, first+i)
			}
			waitFor(t, generous, "all ends in the log", func() bool {
				return strings.Count(shown(), "session ended ")+strings.Count(shown(), `"session ended"`) >= len(hostileTexts)
			})
			for _, name := range []string{"/run/utmpd/status", "/run/utmpd/table"} {
				mustBePlain(t, name, string(readFile(t, name)))
			}
			stop()
			mustBePlain(t, "the log", shown())
			for _, w := range lives {
				w.mustStand(t)
			}
		})
	}
}

// mustBePlain checks that a text contains no control sequence for a terminal.
func mustBePlain(t *testing.T, name, text string) {
	t.Helper()
	for i, r := range text {
		if r != '\n' && !strconv.IsPrint(r) || r == utf8.RuneError {
			t.Errorf("%s holds %U: %q", name, r, text[max(0, i-80):min(len(text), i+20)])
			return
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "lines") || strings.HasPrefix(line, "owned") {
			t.Errorf("%s has a line that came from a record: %q", name, line)
		}
	}
}

// runOnTerminal runs utmpd -debug with a pipe instead of a terminal.
func runOnTerminal(t *testing.T) (func() string, func()) {
	var shown output
	cmd := exec.Command(utmpdBinary, "-debug", "-config", configFile)
	cmd.Stdout, cmd.Stderr = &shown, &shown
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	waitFor(t, generous, "utmpd to start", func() bool { return strings.Contains(shown.String(), "utmpd started") })
	return shown.String, func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// listenAsSyslog takes the place of syslog and returns what it receives.
func listenAsSyslog(t *testing.T) func() string {
	t.Helper()
	os.Remove("/dev/log")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/dev/log", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var shown output
	go func() {
		for b := make([]byte, 1<<16); ; {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			shown.Write(append(b[:n:n], '\n'))
		}
	}()
	return shown.String
}

// runWithSyslog runs utmpd as a daemon with a syslog that keeps its messages.
func runWithSyslog(t *testing.T) (func() string, func()) {
	shown := listenAsSyslog(t)
	if status, _, stderr := command(t, "-config", configFile); status != 0 {
		t.Fatalf("utmpd: %d %s", status, stderr)
	}
	pid := running()
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	return shown, func() {
		syscall.Kill(pid, syscall.SIGTERM)
		waitFor(t, generous, "utmpd to end", func() bool { return running() == 0 })
	}
}

// TestHostilePipe lets two hundred writers write requests at once; half of them
// stop in the middle of a request.
func TestHostilePipe(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	p := beside(t)
	const pipe = "/run/utmpd/utmppipe"
	add := []byte{1, 0, 0, 0, 1, 0, 0, 0}
	var writers sync.WaitGroup
	for i := range 200 {
		f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() // those that stop keep it open until the end
		writers.Go(func() {
			for range 50 {
				if _, err := f.Write(add); err != nil {
					t.Error(err)
					return
				}
			}
			if i%2 == 0 {
				f.Write(add[:1+i%7])
			}
		})
	}
	writers.Wait()
	died := p.dies.kill(t)
	p.dies.mustGo(t, died)
	p.d.waitLog(t, "dropped invalid requests")
	// A process that now writes a whole request is heard.
	time.Sleep(1100 * time.Millisecond) // utmpd waits this long for the rest of a message
	before := requests(t)
	write := exec.Command("/bin/sh", "-c", `printf '\1\0\0\0\1\0\0\0' >`+pipe)
	if out, err := write.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	waitFor(t, generous, "a request to be taken", func() bool { return requests(t) == before+1 })
	// Other users may not write to the pipe.
	if out, err := asAlice(exec.Command("/bin/sh", "-c", "echo >"+pipe)).CombinedOutput(); err == nil {
		t.Errorf("alice can write requests: %s", out)
	}
	p.mustHold(t, died)
}

// requests returns the number of requests that utmpd has received.
func requests(t *testing.T) (n int) {
	t.Helper()
	for line := range strings.Lines(string(readFile(t, "/run/utmpd/status"))) {
		if value, ok := strings.CutPrefix(line, "requests: "); ok {
			fmt.Sscan(value, &n)
		}
	}
	return n
}
