// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"testing"
	"time"
)

// TestDisplays has records of X sessions whose ut_pid is a script that ends at once.
func TestDisplays(t *testing.T) {
	for _, line := range []string{":0", "ws12:0", ":0.0", "host.example:10.0"} {
		t.Run(line, func(t *testing.T) {
			if !enter(t) {
				return
			}
			start := x86.bytes(boot(machineBoot(t)))
			w := newWorld(t, start, start)
			w.start(t)
			script := sleeper(t)
			w.add(t, login("dora", line, script.Process.Pid, time.Now()).withID(""), w.utmp, w.wtmp)
			w.judged(t)
			end(t, script)
			w.judged(t)
			w.stays(t, script.Process.Pid, line)
		})
	}
}

// TestNoProcessNoLine has records that name neither a process nor a line, as display
// servers leave them after a failed login.
func TestNoProcessNoLine(t *testing.T) {
	for _, test := range []struct {
		name, user string
		age        time.Duration // 0: older than the boot
		keys       string
		cleaned    bool
	}{
		{"of an earlier boot", "baduser", 0, "", true},
		{"a minute old", "baduser", time.Minute, "", false},
		{"a minute old, lines need not be busy", "baduser", time.Minute, "KEEP_BUSY_LINES=no", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			at := time.Now().Add(-test.age)
			if test.age == 0 {
				at = machineBoot(t).Add(-time.Hour)
			}
			w := newWorld(t, x86.bytes(boot(machineBoot(t)), rec{typ: typeUser, user: test.user, at: at}), x86.bytes(boot(machineBoot(t))), test.keys)
			w.start(t)
			if test.cleaned {
				w.cleaned(t, 0)
				return
			}
			w.judged(t)
			w.stays(t, 0, "")
		})
	}
}

// TestGhosts has what mosh, GDM and a console left behind, and a getty that waits.
func TestGhosts(t *testing.T) {
	if !enter(t) {
		return
	}
	now := time.Now()
	ghosts := []rec{
		login("alice", "pts/98", 23862, now.Add(-15*time.Minute)).withID("/98"),
		login("alice", "pts/99", 6859, now.Add(-15*time.Minute)).withID("/99"),
		login("alice", "tty2", 796, on("2025-07-10 14:46:18")).withID(""),
		login("alice", "pts/97", 900, on("2025-07-10 14:46:19")).withID("ts/0"),
		login("alice", "tty3", 118306, on("2025-07-11 18:20:34")).withID("3"),
	}
	getty := rec{typ: typeGetty, pid: 118299, line: "tty3", id: "tty3", user: "LOGIN", at: on("2025-07-11 18:20:23")}
	file := x86.bytes(append([]rec{boot(machineBoot(t)), getty}, ghosts...)...)
	w := newWorld(t, file, file)
	w.start(t)
	for _, g := range ghosts {
		w.cleaned(t, int(g.pid))
		w.loggedOut(t, g.line)
	}
	if _, ok := w.of(t, w.utmp, typeGetty, int(getty.pid)); !ok {
		t.Error("the getty's record was cleaned")
	}
}
