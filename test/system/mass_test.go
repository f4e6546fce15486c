// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bufio"
	"os/exec"
	"strings"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// TestMass lets 500 sessions log in and out at once through the C library, kills a
// third of them, and starts new ones on their lines.
func TestMass(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	program := compile(t, "mass")
	d := startUtmpd(t)
	m := startMass(t, program)

	waitFor(t, generous, "the last ghost to go", func() bool {
		for _, r := range entries(t) {
			if !alive(int(r.PID)) {
				return false
			}
		}
		return true
	})
	settle(t)
	m.checkUtmp(t)
	m.checkWtmp(t)
	m.checkLast(t)
	if t.Failed() {
		t.Logf("utmpd's log:\n%s", d.logged())
	}
}

// mass is the fate of the sessions, as the C program reports it.
type mass struct {
	fates map[string]string // of a line's first session
	live  map[string]string // line to pid
}

func startMass(t *testing.T, program string) mass {
	t.Helper()
	cmd := exec.Command(program, "500")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m := mass{fates: make(map[string]string), live: make(map[string]string)}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch f := strings.Fields(lines.Text()); f[0] {
		case "live":
			m.live[f[1]] = f[2]
		case "done":
			if len(m.fates) != 500 || len(m.live) < 300 {
				t.Fatalf("%d sessions ended and %d live", len(m.fates), len(m.live))
			}
			return m
		default:
			m.fates[f[1]] = f[0]
		}
	}
	t.Fatal("the program that runs the sessions ended early")
	return m
}

// checkUtmp checks that utmp and who have exactly the living sessions.
func (m mass) checkUtmp(t *testing.T) {
	t.Helper()
	shown := make(map[string]bool)
	for _, r := range entries(t) {
		shown[r.Line] = true
		if m.live[r.Line] == "" {
			t.Errorf("a ghost: %v", r)
		}
	}
	for line, pid := range m.live {
		if !shown[line] {
			t.Errorf("%s with pid %s lives and is marked dead (its line's first session: %s)", line, pid, m.fates[line])
		}
	}
	for _, text := range who(t) {
		line := strings.Fields(text)[1]
		if m.live[line] == "" {
			t.Errorf("who shows a ghost: %s", text)
		}
		delete(shown, line)
	}
	for line := range shown {
		t.Errorf("who does not show %s", line)
	}
}

// checkWtmp checks that each login is closed by one logout or by the next login on
// its line. A second logout must come from an owner that wrote it after utmpd.
func (m mass) checkWtmp(t *testing.T) {
	t.Helper()
	byLine := make(map[string][]utmpx.Record)
	for _, r := range records(t, wtmpFile)[1:] {
		byLine[r.Line] = append(byLine[r.Line], r)
	}
	var sum logoutSum
	for line, all := range byLine {
		for i, r := range all {
			if r.Type == utmpx.UserProcess {
				m.checkLogin(t, line, all[i:], &sum)
			}
		}
	}
	late := 0
	for _, fate := range m.fates {
		if fate == "late" {
			late++
		}
	}
	t.Logf("%d logins ended by one logout, %d by the next login, %d living; %d of %d late owners logged out after utmpd",
		sum.logouts, sum.byNext, len(m.live), sum.doubles, late)
}

// logoutSum counts how logins ended.
type logoutSum struct {
	logouts, byNext int
	doubles         int // logins with a logout by utmpd and one by a late owner
}

// checkLogin checks the login at the start of a line's remaining records, and adds
// its end to sum.
func (m mass) checkLogin(t *testing.T, line string, rest []utmpx.Record, sum *logoutSum) {
	t.Helper()
	n := 0
	for 1+n < len(rest) && rest[1+n].Type == utmpx.DeadProcess {
		n++
	}
	newest := 1+n == len(rest)
	switch {
	case newest && m.live[line] != "":
		if n > 0 {
			t.Errorf("the living session on %s has a logout: %v", line, rest)
		}
	case n == 1:
		sum.logouts++
	case n == 0 && !newest:
		sum.byNext++
	case n == 2 && m.fates[line] == "late":
		sum.doubles++
	default:
		t.Errorf("%d logouts for %v (%s)", n, rest[0], m.fates[line])
	}
}

// checkLast checks that the newest visit of a line has an end unless the session
// lives.
func (m mass) checkLast(t *testing.T) {
	t.Helper()
	seen := make(map[string]bool)
	for _, v := range last(t) {
		if seen[v.line] || !strings.HasPrefix(v.line, "m/") {
			continue
		}
		seen[v.line] = true
		if lives := m.live[v.line] != ""; lives != v.end.IsZero() {
			t.Errorf("lives: %v; last shows: %s", lives, v.text)
		}
	}
	if len(seen) != len(m.fates) {
		t.Errorf("last shows %d lines, want %d", len(seen), len(m.fates))
	}
}
