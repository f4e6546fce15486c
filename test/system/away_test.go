// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAway: sessions die while utmpd is stopped. It does not call the time exact at which
// it finds them dead.
func TestAway(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	pid := d.cmd.Process.Pid
	stopped := func() bool { p, _ := readProcess(pid); return p.state == "T" }
	away(t, d, func() {
		d.cmd.Process.Signal(syscall.SIGSTOP)
		waitFor(t, generous, "utmpd to be stopped", stopped)
	}, stopped, func() { d.cmd.Process.Signal(syscall.SIGCONT) })
}

// away has sessions die while utmpd is halted.
func away(t *testing.T, d *utmpd, halt func(), halted func() bool, resume func()) {
	t.Helper()
	const n = 5
	var all []*dweller
	for i := range n {
		all = append(all, dwell(t, fmt.Sprintf("x/%d", i)))
		all[i].watched(t, d)
	}
	halt()
	var died []death
	for _, w := range all {
		died = append(died, w.kill(t))
	}
	holds(t, 3*time.Second, "utmpd is halted", halted)
	back := time.Now().Truncate(time.Millisecond) // as the log has it
	resume()
	for i, w := range all {
		line := d.waitLog(t, "session ended", "line="+w.entry.Line)
		end := timeIn(t, line, "end")
		if !strings.Contains(line, `"alive until"=`) {
			t.Errorf("called exact, and not between %v and %v: %s", died[i].from, died[i].to, line)
			continue
		}
		if until := timeIn(t, line, `"alive until"`); until.After(died[i].to) || end.Before(died[i].from.Add(-time.Millisecond)) {
			t.Errorf("bounds %v to %v are not around %v: %s", until, end, died[i].to, line)
		}
		if end.Before(back) {
			t.Errorf("it ended at %v, before utmpd could know that: %s", end, line)
		}
	}
	next := dwell(t, "x/9") // what utmpd sees again is exact
	next.watched(t, d)
	next.mustGo(t, next.kill(t))
	if line := d.waitLog(t, "session ended", "line=x/9"); strings.Contains(line, "alive until") {
		t.Errorf("no longer exact: %s", line)
	}
	d.stop(t)
}

// timeIn returns a time from a line of the log.
func timeIn(t *testing.T, line, key string) time.Time {
	t.Helper()
	m := regexp.MustCompile(` ` + regexp.QuoteMeta(key) + `=(\S+)`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("no %s in %s", key, line)
	}
	at, err := time.Parse(time.RFC3339Nano, m[1])
	if err != nil {
		t.Fatal(err)
	}
	return at
}
