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

// lineProgram is a program that reports its progress line by line and continues
// when something is written to its standard input.
type lineProgram struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

// startLines starts a program in a process group of its own.
func startLines(t *testing.T, cmd *exec.Cmd) *lineProgram {
	t.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
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

// until returns the lines before the one that equals word.
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

// end closes the program's standard input and returns what it prints before it
// ends.
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

// logTime returns the time at which an event was logged.
func logTime(t *testing.T, event string) time.Time {
	t.Helper()
	stamp, _, _ := strings.Cut(strings.TrimPrefix(event, "time="), " ")
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		t.Fatalf("%v: %s", err, event)
	}
	return at
}

// TestBusyNeighbours checks that utmpd gets its locks in time beside twenty
// programs that do nothing but write to utmp and eight concurrent runs of who
// that read it, all of them with libc's locks. (Readers that do not pause between
// records starve every writer: the kernel grants read locks while a writer waits.
// On such a machine logins themselves fail.)
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

	// One after the other, so that none benefits from another's lock.
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
	t.Logf("from the end of the grace period to the record: median %v, worst %v", median, late[len(late)-1])
	if median > time.Second {
		t.Errorf("utmpd was %v late at the median", median)
	}
	written, failed := 0, 0
	for _, line := range said {
		var w, f int
		if _, err := fmt.Sscanf(line, "written %d failed %d", &w, &f); err != nil {
			t.Fatalf("busy printed %q", line)
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
		t.Error("utmpd logged a complaint")
	}
}
