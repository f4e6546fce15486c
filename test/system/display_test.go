// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// sessreg records a session of alice on a line as sessreg(1) does for a script: with
// the pid of that script, which ends at once.
func sessreg(t *testing.T, line string, d *utmpd) *dweller {
	t.Helper()
	w := dwell(t, line)
	w.watched(t, d)
	w.kill(t)
	return w
}

// logindSession writes the file that logind has of a session of alice.
func logindSession(t *testing.T, name, display string, leader int) (file string) {
	t.Helper()
	const dir = "/run/systemd/sessions"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file = dir + "/" + name
	text := fmt.Sprintf("# This is private data. Do not parse.\nUID=1000\nUSER=alice\nACTIVE=1\nSTATE=active\nTYPE=x11\nCLASS=user\n"+
		"FIFO=%s.ref\nTTY=%s\nDISPLAY=%s\nLEADER=%d\n", file, display, display, leader)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDisplayWitness checks that a session whose recorded process ended at once lives
// by who shows it. utmpd runs without root and in its sandbox, and the directory of
// logind's sessions is made after its start.
func TestDisplayWitness(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	makeUser(t)
	if err := os.RemoveAll("/run/systemd"); err != nil {
		t.Fatal(err)
	}
	d := startUtmpd(t, "RUN_AS="+ownUser, "SCAN_PERIOD=1")

	leader := sleeper(t, exec.Command("sleep", "infinity"))
	logindSession(t, "c1", "ws12:0", leader.Process.Pid)
	byLeader := sessreg(t, "ws12:0", d)
	d.waitLog(t, "session left alone", "line=ws12:0", fmt.Sprintf("logind's session on its display lives, pid %d", leader.Process.Pid))

	other := sleeper(t, exec.Command("sleep", "infinity"))
	file := logindSession(t, "c2", "tty7", other.Process.Pid)
	bySession := sessreg(t, "tty7", d)
	d.waitLog(t, "session left alone", "line=tty7", fmt.Sprintf("logind's session on its display lives, pid %d", other.Process.Pid))

	const server = "/run/Xorg" // its name and arguments are what tells
	if err := os.WriteFile(server, []byte("#!/bin/sh\nread -r line\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	x := exec.Command(server, ":7", "-nolisten", "tcp")
	if _, err := x.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	sleeper(t, x)
	byServer := sessreg(t, ":7.0", d)
	d.waitLog(t, "session left alone", "line=:7.0", fmt.Sprintf("the X server of its display lives, pid %d", x.Process.Pid))

	nobody := sessreg(t, "ws13:0", d)
	d.waitLog(t, "session left alone", "line=ws13:0", "not seen alive for a minute")
	for _, w := range []*dweller{byLeader, bySession, byServer, nobody} {
		w.mustStand(t)
	}

	endsWith(t, byLeader, leader)
	endsWith(t, byServer, x)
	died := death{from: time.Now()}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	waitFor(t, generous, "who to stop showing tty7", func() bool { return !whoShows(t, "tty7") })
	died.to = time.Now()
	bySession.mustGo(t, died)
	if !alive(other.Process.Pid) {
		t.Error("the leader of logind's session has ended")
	}
	nobody.mustStand(t)
}

// endsWith kills the process that speaks for a session, and checks that the session ends
// then.
func endsWith(t *testing.T, w *dweller, by *exec.Cmd) {
	t.Helper()
	from := time.Now()
	if err := by.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, generous, "the death of who shows "+w.entry.Line, func() bool { return !alive(by.Process.Pid) })
	w.mustGo(t, death{from, time.Now()})
}

// TestNamelessRecord checks records without process, line and id, as sddm leaves them
// after a login that failed.
func TestNamelessRecord(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	configure(t, "SCAN_PERIOD=1")
	// Records of an hour ago must be of this boot, however young the machine is.
	d := startUtmpdBy(t, inTimeNamespace(utmpdCommand(nil)))
	put := compile(t, "put")
	nameless := func(user, age string) {
		t.Helper()
		if out, err := exec.Command(put, fmt.Sprint(int(utmpx.UserProcess)), "", "", user, "0", age).CombinedOutput(); err != nil {
			t.Fatalf("put: %v\n%s", err, out)
		}
	}
	shows := func(user string) bool {
		for _, r := range entries(t) {
			if r.User == user {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		name, user, age string
		stays           bool
	}{
		{"of now", "games", "0", true},
		{"of a user with a process", "root", "4000", true},
		{"of a user whom nobody knows", "baduser", "4000", true},
		{"of a user without a process", "games", "4000", false},
	} {
		nameless(c.user, c.age) // over the one before
		if c.stays {
			d.waitLog(t, "session left alone", "user="+c.user, "its record names no process")
			settle(t)
			if !shows(c.user) {
				t.Errorf("%s: cleaned", c.name)
			}
			continue
		}
		waitFor(t, generous, "the record to be cleaned", func() bool { return !shows(c.user) })
		d.waitLog(t, "session ended", "user="+c.user, "its user has none")
	}
}

// TestNamelessRecordNotKept checks that KEEP_BUSY_LINES=no cleans such a record at once.
func TestNamelessRecordNotKept(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t, "KEEP_BUSY_LINES=no")
	if out, err := exec.Command(compile(t, "put"), fmt.Sprint(int(utmpx.UserProcess)), "", "", "baduser", "0").CombinedOutput(); err != nil {
		t.Fatalf("put: %v\n%s", err, out)
	}
	d.waitLog(t, "session ended", "user=baduser", "its record names no process")
}
