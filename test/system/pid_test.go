// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/state"
)

// reincarnate starts a sleeper with a pid that has just become free.
func reincarnate(t *testing.T, pid int) *exec.Cmd {
	t.Helper()
	return reincarnateBy(t, pid, func() *exec.Cmd { return exec.Command("sleep", "infinity") })
}

// reincarnateBy starts processes as make says until one has the pid.
func reincarnateBy(t *testing.T, pid int, make func() *exec.Cmd) *exec.Cmd {
	t.Helper()
	var cmd *exec.Cmd
	waitFor(t, generous, fmt.Sprintf("another process with pid %d", pid), func() bool {
		if _, ok := readProcess(pid); ok {
			return false // not reaped yet
		}
		// Another thread of the guest may take the pid first. Then the process ends
		// and this is tried again.
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(fmt.Sprint(pid-1)), 0); err != nil {
			t.Fatal(err)
		}
		cmd = make()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if cmd.Process.Pid == pid {
			return true
		}
		cmd.Process.Kill()
		cmd.Wait()
		return false
	})
	go cmd.Wait()
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd
}

// savedTable counts the processes and the logouts in the table that the daemon has saved,
// with what was appended to it.
func savedTable(t *testing.T) (processes, owed int) {
	t.Helper()
	const name = "/run/utmpd/table"
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := state.LoadOf(name, int(info.Sys().(*syscall.Stat_t).Uid))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[any]bool{}
	for _, e := range s.Sessions {
		seen[e.ID] = true
	}
	return len(seen), len(s.Owed)
}

// awaitSaved waits until the daemon has saved the processes of the sessions.
func awaitSaved(t *testing.T, all ...*dweller) {
	t.Helper()
	for _, w := range all {
		waitFor(t, generous, "utmpd to save what it knows of "+w.entry.Line, func() bool {
			b, _ := os.ReadFile("/run/utmpd/table")
			return strings.Contains(string(b), fmt.Sprintf("\nproc %d ", w.entry.PID))
		})
	}
}

// TestPIDReusedWhileWatched checks that a session ends with its process even if
// another process gets the pid at once.
func TestPIDReusedWhileWatched(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	w := dwell(t, "x/1")
	w.watched(t, d)
	died := w.kill(t)
	reincarnate(t, int(w.entry.PID))
	w.mustGo(t, died)
	if !alive(int(w.entry.PID)) {
		t.Error("the pid was not in use when utmpd judged the record")
	}
}

// TestPIDReusedWhileDown checks the same while utmpd is not running. utmpd
// recognises the process by its saved state.
func TestPIDReusedWhileDown(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *utmpd){
		"stopped": func(t *testing.T, d *utmpd) { d.stop(t) },
		"killed":  func(t *testing.T, d *utmpd) { d.kill() },
	} {
		t.Run(name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			d := startUtmpd(t)
			w, lives := dwell(t, "x/1"), dwell(t, "x/2")
			awaitSaved(t, w, lives)
			end(t, d)
			died := w.kill(t)
			reincarnate(t, int(w.entry.PID))
			startUtmpdAs(t, nil)
			// The end is between then and now; the record has now.
			waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, w.entry.Line) })
			w.mustGo(t, death{died.from, time.Now()})
			lives.mustStand(t)
		})
	}
}

// TestKilledAndRestarted checks a utmpd that is killed during sessions. The next one
// cleans sessions that died in between at its start, and sessions that still live
// when they die.
func TestKilledAndRestarted(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	dies, lives := dwell(t, "x/1"), dwell(t, "x/2")
	dies.watched(t, d)
	lives.watched(t, d)
	d.kill()
	died := dies.kill(t)
	d = startUtmpdAs(t, nil)
	waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, dies.entry.Line) })
	died.to = time.Now() // the time is unknown, except that it was before the start
	dies.mustGo(t, died)
	lives.mustStand(t)
	d.stop(t)
	startUtmpdAs(t, nil)
	lives.mustStand(t)
	lives.mustGo(t, lives.kill(t))
	if got := logouts(t, dies.entry); got != 1 {
		t.Errorf("wtmp holds %d logouts for %v", got, dies.entry)
	}
}

// TestStoppedProcessLives checks that a stopped process counts as alive.
func TestStoppedProcessLives(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	startUtmpd(t)
	w := dwell(t, "x/1")
	if err := syscall.Kill(int(w.entry.PID), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	holds(t, grace+time.Second, "a stopped process's session", func() bool { return whoShows(t, w.entry.Line) })
	w.mustStand(t)
	w.mustGo(t, w.kill(t))
}

// TestFirstThreadDies checks that a process whose first thread has ended counts as
// alive, although /proc shows it as a zombie.
func TestFirstThreadDies(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	cmd := exec.Command(compile(t, "leaderless"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
	t.Cleanup(func() { cmd.Process.Kill() })
	waitFor(t, generous, "the first thread to end", func() bool { return !alive(cmd.Process.Pid) })
	startUtmpd(t)
	w := record(t, "x/1", cmd)
	holds(t, grace+time.Second, "the session of a process without its first thread", func() bool { return whoShows(t, w.entry.Line) })
	w.mustStand(t)
	w.mustGo(t, w.kill(t))
}

// TestZombieIsDead checks that a session ends even if its parent never waits for the
// process.
func TestZombieIsDead(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	startUtmpd(t)
	cmd := exec.Command("sleep", "infinity")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := record(t, "x/1", cmd)
	w.mustGo(t, w.kill(t))
	if p, ok := readProcess(cmd.Process.Pid); !ok || p.state != "Z" {
		t.Errorf("the process is not a zombie: %+v", p)
	}
	cmd.Wait()
}
