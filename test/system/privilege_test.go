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

	"golang.org/x/sys/unix"
)

// ownUser is the RUN_AS user in these tests, a member of the group utmp.
const ownUser, ownUID = "_utmpd", 899

// makeUser creates ownUser as useradd(8) would.
func makeUser(t *testing.T) {
	t.Helper()
	group := strings.Replace(string(readFile(t, "/etc/group")), fmt.Sprintf("\nutmp:x:%d:", utmpGroup), fmt.Sprintf("\nutmp:x:%d:%s", utmpGroup, ownUser), 1)
	for name, text := range map[string]string{
		"/etc/group":  group + fmt.Sprintf("%s:x:%d:\n", ownUser, ownUID),
		"/etc/passwd": string(readFile(t, "/etc/passwd")) + fmt.Sprintf("%s:x:%d:%d::/:/usr/sbin/nologin\n", ownUser, ownUID, ownUID),
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// hideProcesses mounts /proc so that users see only their own processes.
func hideProcesses(t *testing.T, how string) {
	t.Helper()
	if err := unix.Mount("", "/proc", "", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "hidepid="+how); err != nil {
		t.Fatal(err)
	}
}

// TestRunAs checks that everything works as a separate user with only CAP_FOWNER.
func TestRunAs(t *testing.T) {
	parallel(t)
	for _, hidepid := range []string{"0", "2"} {
		t.Run("hidepid="+hidepid, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			makeUser(t)
			hideProcesses(t, hidepid)
			p := beside(t, "RUN_AS="+ownUser, "WTMPX_UPDATE_FREQ=1")
			mustBeOwnUser(t, p.d)
			beats(t)

			died := p.dies.kill(t)
			p.dies.mustGo(t, died)
			p.d.waitLog(t, "session ended", "line=x/2", `exit="signal KILL"`)
			p.lives.mustStand(t)
			mustServe(t)

			rotate(t, wtmpFile)
			beats(t)
			w := dwell(t, "x/4")
			w.watched(t, p.d)
			w.mustGo(t, w.kill(t))
			copyOver(t, utmpFile)
			w = dwell(t, "x/5")
			w.watched(t, p.d)
			w.mustGo(t, w.kill(t))

			mustHearHangup(t, p.d)
			mustKnowAgain(t, p)
		})
	}
}

// TestRunAsWithoutStateDir checks that utmpd logs a STATE_DIR that it cannot create,
// and works without it, as it does without RUN_AS.
func TestRunAsWithoutStateDir(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	makeUser(t)
	p := beside(t, "RUN_AS="+ownUser, "STATE_DIR=/nowhere/utmpd")
	p.d.waitLog(t, "no STATE_DIR", "/nowhere")
	p.dies.mustGo(t, p.dies.kill(t))
	p.lives.mustStand(t)
}

// mustBeOwnUser checks utmpd's privileges and the owners of its files.
func mustBeOwnUser(t *testing.T, d *utmpd) {
	t.Helper()
	mustTouch(t, toucherOf(t, d))
	everyThread(t, d.cmd.Process.Pid, func(status string) {
		for _, want := range []string{
			fmt.Sprintf("\nUid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", ownUID),
			fmt.Sprintf("\nGid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", ownUID),
			fmt.Sprintf("\nGroups:\t%d %d \n", utmpGroup, ownUID),
			fmt.Sprintf("\nCapPrm:\t%016x\n", 0),
			fmt.Sprintf("\nCapEff:\t%016x\n", 0),
			fmt.Sprintf("\nCapInh:\t%016x\n", 0),
			fmt.Sprintf("\nCapAmb:\t%016x\n", 0),
			"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n",
		} {
			if !strings.Contains(status, want) {
				t.Errorf("a thread's status lacks %q:\n%s", want, status)
			}
		}
	})
	for _, name := range []string{"utmpd.pid", "status", "table", "utmppipe"} {
		var st syscall.Stat_t
		waitFor(t, generous, name, func() bool { return syscall.Stat("/run/utmpd/"+name, &st) == nil })
		if st.Uid != ownUID || st.Gid != ownUID {
			t.Errorf("%s belongs to %d:%d", name, st.Uid, st.Gid)
		}
	}
	if start := d.waitLog(t, "utmpd started"); strings.Contains(start, "missing=") {
		t.Errorf("rights are missing: %s", start)
	}
	if strings.Contains(d.logged(), "without a part of the sandbox") {
		t.Error("the sandbox is not complete")
	}
}

// toucherOf returns the process that sets the access time, utmpd's only child.
func toucherOf(t *testing.T, d *utmpd) (pid int) {
	t.Helper()
	waitFor(t, generous, "the process that sets the access time", func() bool {
		for _, p := range processes() {
			if p.parent == d.cmd.Process.Pid {
				pid = p.pid
			}
		}
		return pid != 0
	})
	return pid
}

// mustTouch checks that CAP_FOWNER is all that the toucher has.
func mustTouch(t *testing.T, pid int) {
	t.Helper()
	waitFor(t, generous, "the toucher's filter", func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		return strings.Contains(string(b), "\nSeccomp:\t2\n")
	})
	everyThread(t, pid, func(status string) {
		for _, want := range []string{
			fmt.Sprintf("\nUid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", ownUID),
			fmt.Sprintf("\nCapPrm:\t%016x\n", 1<<unix.CAP_FOWNER),
			fmt.Sprintf("\nCapInh:\t%016x\n", 0),
			fmt.Sprintf("\nCapAmb:\t%016x\n", 0),
			"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n",
		} {
			if !strings.Contains(status, want) {
				t.Errorf("a thread of the toucher lacks %q:\n%s", want, status)
			}
		}
	})
}

// TestToucherDies kills the process that sets the access time. utmpd must log that, and
// go on with the note.
func TestToucherDies(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	makeUser(t)
	p := beside(t, "RUN_AS="+ownUser, "WTMPX_UPDATE_FREQ=1", "SCAN_PERIOD=1")
	beats(t)
	if err := syscall.Kill(toucherOf(t, p.d), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.d.waitLog(t, "cannot update the access time of wtmpx", "has ended")
	const note = "/var/lib/utmpd/heartbeat"
	before := string(readFile(t, note))
	waitFor(t, generous, "a later note", func() bool { return string(readFile(t, note)) != before })
	died := p.dies.kill(t)
	p.dies.mustGo(t, died)
	p.lives.mustStand(t)
	for _, c := range processes() {
		if c.parent == p.d.cmd.Process.Pid {
			t.Errorf("process %d, state %s, is left", c.pid, c.state)
		}
	}
	// What comes to a file's name now is out of reach, which a restart mends.
	rotate(t, wtmpFile)
	dwell(t, "x/7").kill(t)
	select {
	case <-p.d.done:
	case <-time.After(generous):
		t.Fatal("utmpd goes on, and cannot open wtmp")
	}
	if p.d.err == nil || !strings.Contains(p.d.logged(), "the process that opens new files has ended") {
		t.Errorf("utmpd ended: %v", p.d.err)
	}
}

// TestToucherEnds checks that the process that sets the access time ends with utmpd,
// however that ends, and ignores the signals of a service manager and of a terminal.
func TestToucherEnds(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	makeUser(t)
	for _, end := range []func(d *utmpd){(*utmpd).kill, func(d *utmpd) { d.stop(t) }} {
		d := startUtmpd(t, "RUN_AS="+ownUser, "WTMPX_UPDATE_FREQ=1")
		pid := toucherOf(t, d)
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
			if err := syscall.Kill(pid, signal); err != nil {
				t.Fatal(err)
			}
		}
		beats(t)
		beats(t)
		if toucherOf(t, d) != pid {
			t.Error("a signal has ended it")
		}
		end(d)
		waitFor(t, generous, "the end of the toucher", func() bool { return !alive(pid) })
	}
}

// mustServe checks that utmpd receives a request from the pipe.
func mustServe(t *testing.T) {
	t.Helper()
	before := requests(t)
	write := exec.Command("/bin/sh", "-c", `printf '\1\0\0\0\1\0\0\0' >/run/utmpd/utmppipe`)
	if out, err := write.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	waitFor(t, generous, "a request to be taken", func() bool { return requests(t) == before+1 })
}

// rotate rotates wtmp as logrotate does.
func rotate(t *testing.T, name string) {
	t.Helper()
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	writeLog(t, name, nil)
}

// copyOver replaces a file with a copy of itself.
func copyOver(t *testing.T, name string) {
	t.Helper()
	writeLog(t, name+".new", readFile(t, name))
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// mustHearHangup checks that SIGHUP makes utmpd read its settings again.
func mustHearHangup(t *testing.T, d *utmpd) {
	t.Helper()
	configure(t, "RUN_AS="+ownUser, "SCAN_PERIOD=77")
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.waitLog(t, "configuration read again", "SCAN_PERIOD=1m17s")
}

// mustKnowAgain checks that a utmpd that was killed recognises its processes after a
// restart: a session whose pid now belongs to another process has ended.
func mustKnowAgain(t *testing.T, p *pair) {
	t.Helper()
	w := dwell(t, "x/6")
	awaitSaved(t, p.lives, w)
	p.d.kill()
	died := w.kill(t)
	reincarnate(t, int(w.entry.PID))
	p.d = startUtmpdAs(t, nil)
	waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, w.entry.Line) })
	died.to = time.Now()
	w.mustGo(t, died)
	p.lives.mustStand(t)
	p.lives.kill(t) // its login is in the rotated log
	waitFor(t, generous, "who to stop showing the session", func() bool { return !whoShows(t, p.lives.entry.Line) })
	p.d.stop(t)
	if note := string(readFile(t, "/var/lib/utmpd/heartbeat")); !strings.Contains(note, "state stopped") {
		t.Errorf("the note of the end: %q", note)
	}
}

// TestHiddenFromRoot checks that utmpd as root sees the session leader of a terminal
// whatever /proc hides, even if its sandbox would otherwise prevent that.
func TestHiddenFromRoot(t *testing.T) {
	parallel(t)
	for _, c := range []struct{ name, hidepid, says string }{
		{"for the group", "2", ""},
		{"ptraceable", "4", "/proc is mounted with hidepid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			hideProcesses(t, c.hidepid)
			d := startUtmpd(t)
			if said := strings.Contains(d.logged(), "without a part of the sandbox"); said != (c.says != "") {
				t.Errorf("a part of the sandbox is missing: %v", said)
			}
			s := loginC(t)
			kill("the program", server).do(t, s)
			d.waitLog(t, "session left alone", "its line still has a session leader")
			kill("the shell", shell).do(t, s)
			waitFor(t, generous, "who to stop showing the session", func() bool { return !whoShows(t, s.entry.Line) })
			d.stop(t)
		})
	}
}
