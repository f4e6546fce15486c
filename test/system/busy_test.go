// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lineProgram is a program that tells what it does line by line, and goes on
// when it is written to.
type lineProgram struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

// startLines starts a program in a process group of its own.
func startLines(t *testing.T, cmd *exec.Cmd) *lineProgram {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
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
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	return &lineProgram{cmd, stdin, bufio.NewScanner(out)}
}

// until returns the lines before the one that says word.
func (p *lineProgram) until(t *testing.T, word string) []string {
	t.Helper()
	var lines []string
	for p.lines.Scan() {
		if p.lines.Text() == word {
			return lines
		}
		lines = append(lines, p.lines.Text())
	}
	t.Fatalf("%s ended before it said %q", p.cmd.Path, word)
	return nil
}

// end closes the program's standard input and returns what it says until it ends.
func (p *lineProgram) end(t *testing.T) []string {
	t.Helper()
	p.stdin.Close()
	var lines []string
	for p.lines.Scan() {
		lines = append(lines, p.lines.Text())
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%s: %v", p.cmd.Path, err)
	}
	return lines
}

// logTime returns when an event was logged.
func logTime(t *testing.T, event string) time.Time {
	t.Helper()
	stamp, _, _ := strings.Cut(strings.TrimPrefix(event, "time="), " ")
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		t.Fatalf("%v: %s", err, event)
	}
	return at
}

// TestBusyNeighbours: beside twenty programs that do nothing but write to utmp
// and eight who's at a time that read it, all with libc's locks, utmpd gets its
// own in time. (Readers that do nothing between two records starve whoever wants
// to write: the kernel grants read locks past a waiting writer, and the logins
// of such a machine fail by themselves.)
func TestBusyNeighbours(t *testing.T) {
	if !enterAlone(t, bookworm) {
		return
	}
	const deaths = 30
	program := compile(t, "busy")
	const shortGrace = 50 * time.Millisecond
	d := startUtmpd(t, "GRACE_PERIOD=0.05")
	var all []*dweller
	for i := range deaths {
		all = append(all, dwell(t, fmt.Sprintf("x/%d", i)))
	}
	for _, w := range all {
		w.watched(t, d)
	}
	busy := startLines(t, exec.Command(program, "20", "8", "0"))
	busy.until(t, "busy")

	// One after the other: none gains from another's lock.
	var died []death
	var late []time.Duration
	for _, w := range all {
		at := w.kill(t)
		event := d.waitLog(t, "session ended", "line="+w.entry.Line+" ")
		died = append(died, at)
		late = append(late, logTime(t, event).Sub(at.from)-shortGrace)
	}
	said := busy.end(t)
	slices.Sort(late)
	median := late[len(late)/2]
	t.Logf("from grace's end to the record: median %v, worst %v", median, late[len(late)-1])
	if median > time.Second {
		t.Errorf("at the median utmpd was %v late", median)
	}
	written, failed := 0, 0
	for _, line := range said {
		var w, f int
		if _, err := fmt.Sscanf(line, "written %d failed %d", &w, &f); err != nil {
			t.Fatalf("busy says %q", line)
		}
		written, failed = written+w, failed+f
	}
	t.Logf("the neighbours wrote %d records and failed %d times", written, failed)
	if written < 1000 || failed > 0 {
		t.Errorf("the neighbours wrote %d records and failed %d times", written, failed)
	}
	for i, w := range all {
		w.mustGo(t, died[i])
	}
	if strings.Contains(d.logged(), "level=ERROR") {
		t.Error("utmpd complains")
	}
}
