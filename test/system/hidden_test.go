// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// blind is a way to run utmpd without root.
type blind struct {
	name  string
	start func(*testing.T, ...string) *utmpd
}

var blinds = []blind{
	{"RUN_AS", func(t *testing.T, keys ...string) *utmpd {
		return startUtmpd(t, append(keys, "RUN_AS="+ownUser)...)
	}},
	{"started by the user", func(t *testing.T, keys ...string) *utmpd {
		t.Helper()
		for _, dir := range []string{"/run/utmpd", "/var/lib/utmpd"} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(dir, ownUID, ownUID); err != nil {
				t.Fatal(err)
			}
		}
		configure(t, keys...)
		return startUtmpdAs(t, &syscall.Credential{Uid: ownUID, Gid: ownUID, Groups: []uint32{utmpGroup}})
	}},
}

// hidden runs a test in guests whose /proc hides every process from utmpd but its own.
func hidden(t *testing.T, test func(*testing.T, blind)) {
	parallel(t)
	for _, b := range blinds {
		t.Run(b.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			makeUser(t)
			hideProcesses(t, "2")
			mustHide(t)
			test(t, b)
		})
	}
}

// mustHide checks that utmpd's user does not see process 1.
func mustHide(t *testing.T) {
	t.Helper()
	look := exec.Command("cat", "/proc/1/stat")
	look.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ownUID, Gid: ownUID, Groups: []uint32{utmpGroup}}}
	if out, err := look.CombinedOutput(); err == nil {
		t.Fatalf("/proc shows process 1 to %s: %s", ownUser, out)
	}
}

// saidOnce checks that the log says once that the line's session was left alone, and why.
func (d *utmpd) saidOnce(t *testing.T, line, why string) {
	t.Helper()
	n := 0
	for said := range strings.Lines(d.logged()) {
		if containsAll(said, []string{"session left alone", "line=" + line + " ", why}) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the log says %d times of %s: %s", n, line, why)
	}
}

// hiddenAgain is longer than utmpd waits before it asks again what /proc hid.
const hiddenAgain = 6 * time.Second

// TestHiddenSessions checks sessions of sshd of which utmpd sees no process. One whose
// recorded process is killed lives on. What has died is cleaned, by its pidfd.
func TestHiddenSessions(t *testing.T) {
	hidden(t, func(t *testing.T, b blind) {
		d := b.start(t)
		dies, lives := loginSSHD(t), overSSH(t, 22)
		kept := &dweller{entry: lives.entry}
		died := death{from: time.Now()}
		kill("monitor", func(*session) []int { return []int{int(lives.entry.PID)} }).do(t, lives)
		waitFor(t, generous, "the monitor's death", func() bool { return !alive(int(lives.entry.PID)) })
		died.to = time.Now()
		const why = "its terminal is still there, and /proc hides who leads it"
		d.waitLog(t, "session left alone", "line="+lives.entry.Line, why)

		(&program{}).mustEnd(t, dies, kill("monitor, child and shell", all))
		holds(t, hiddenAgain, "the session whose leader is hidden", func() bool { return whoShows(t, lives.entry.Line) })
		kept.mustStand(t)
		d.saidOnce(t, lives.entry.Line, why)

		d.kill()
		d = b.start(t)
		d.waitLog(t, "session left alone", "line="+lives.entry.Line, why)
		kept.mustStand(t)
		lives.tm.ready(t)

		// Nobody saw the shell: the end that is known is that of the monitor.
		kill("its shell", shell).do(t, lives)
		kept.mustGo(t, died)
	})
}

// TestHiddenFromTheStart checks sessions that began before utmpd, and before another one
// that knows nothing of the first.
func TestHiddenFromTheStart(t *testing.T) {
	hidden(t, func(t *testing.T, b blind) {
		s, w := loginC(t), dwell(t, "x/1")
		gone := recordSince(t, "x/2", &exec.Cmd{Process: &os.Process{Pid: 1 << 21}}, time.Minute)
		const why = "its process was never seen, and /proc hides those of other pid namespaces"
		for range 2 {
			d := b.start(t)
			w.watched(t, d)
			d.waitLog(t, "session left alone", "line=x/2", why)
			holds(t, hiddenAgain, "the living sessions", func() bool { return whoShows(t, s.entry.Line) && whoShows(t, "x/1") })
			d.saidOnce(t, "x/2", why)
			d.kill()
			if err := os.Remove("/run/utmpd/table"); err != nil {
				t.Fatal(err)
			}
		}
		b.start(t)
		w.mustGo(t, w.kill(t))
		(&dweller{entry: s.entry}).mustStand(t)
		gone.mustStand(t) // nobody can know
	})
}

// TestHiddenContainer checks the record of a container, with the number that its process
// has there.
func TestHiddenContainer(t *testing.T) {
	hidden(t, func(t *testing.T, b blind) {
		const number = 31_000
		inner := contain(t, number, func(*syscall.SysProcAttr) {})
		d := b.start(t)
		w := record(t, "x/1", &exec.Cmd{Process: &os.Process{Pid: number}})
		const why = "its process was never seen, and /proc hides those of other pid namespaces"
		d.waitLog(t, "session left alone", "line=x/1", why)
		sentinel := dwell(t, "x/2")
		sentinel.watched(t, d)
		sentinel.mustGo(t, sentinel.kill(t))
		holds(t, hiddenAgain, "the container's session", func() bool { return whoShows(t, "x/1") })
		w.mustStand(t)
		d.saidOnce(t, "x/1", why)
		if !alive(inner.Process.Pid) {
			t.Error("the container has ended")
		}
	})
}
