// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// slack is the documented limit: a process that started later than this after the
// login does not belong to the session, if the clock can be trusted.
const slack = time.Minute

// longAgo is the age of a login beyond the slack. It is as short as possible, because
// the login must be in this boot and the machine may just have started.
const longAgo = slack + 5*time.Second

// upFor waits until the machine has been up for the given time.
func upFor(t *testing.T, d time.Duration) {
	t.Helper()
	waitFor(t, generous+d, fmt.Sprintf("the machine to be up for %v", d), func() bool {
		return time.Since(bootedAt(t)) > d
	})
}

// aliceSleeps is a process of the sessions' user.
func aliceSleeps() *exec.Cmd { return asAlice(exec.Command("sleep", "infinity")) }

// forget removes what utmpd has saved in an earlier run.
func forget(t *testing.T) {
	t.Helper()
	if err := os.Remove("/run/utmpd/table"); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// setBoot changes or removes utmp's BOOT_TIME record.
func setBoot(t *testing.T, by time.Duration, there bool) {
	t.Helper()
	l := utmpx.Native()
	boot := records(t, utmpFile)[0]
	if boot.Type != utmpx.BootTime {
		t.Fatalf("utmp begins with %v", boot)
	}
	boot.Time = utmpx.TimeOf(boot.Time.Time().Add(by))
	if !there {
		boot.Type = utmpx.RunLevel
	}
	b, err := l.Encode(boot)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(utmpFile, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
}

// TestPIDReusedBeforeFirstSight checks a process that died between the login and the
// moment when utmpd first saw its record, and whose pid another process of the same
// user got. Without proof the record stays until that process ends. The proof is that
// it started more than the slack after the login, by a clock that was not set.
func TestPIDReusedBeforeFirstSight(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	for _, c := range []struct {
		name   string
		age    time.Duration // of the login when the other process starts
		boot   time.Duration // from the boot to the time in BOOT_TIME
		noBoot bool
		stays  bool
	}{
		{name: "after the slack", age: longAgo},
		{name: "after the slack, BOOT_TIME written late", age: longAgo, boot: slack - 5*time.Second},
		{name: "within the slack", age: slack - 20*time.Second, stays: true},
		{name: "after the slack, the clock set back since the boot", age: longAgo, boot: time.Hour, stays: true},
		{name: "after the slack, the clock set forward since the boot", age: longAgo, boot: -time.Hour, stays: true},
		{name: "after the slack, set forward by a little", age: longAgo, boot: -5 * time.Second, stays: true},
		{name: "after the slack, no BOOT_TIME", age: longAgo, noBoot: true, stays: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := freshFiles(); err != nil {
				t.Fatal(err)
			}
			forget(t)
			upFor(t, c.age+2*time.Second)
			if 0 < c.boot && c.boot <= slack { // the login must be later than that
				upFor(t, c.age+c.boot+2*time.Second)
			}
			setBoot(t, c.boot, !c.noBoot)
			w := recordSince(t, "x/1", sleeper(t, aliceSleeps()), c.age)
			died := w.kill(t)
			other := reincarnateBy(t, int(w.entry.PID), aliceSleeps)
			d := startUtmpd(t)
			if c.stays {
				holds(t, grace+300*time.Millisecond, "a record whose process cannot be distinguished", func() bool { return whoShows(t, "x/1") })
				w.mustStand(t)
				w.cmd = other
				died = w.kill(t)
			} else {
				d.waitLog(t, "session ended", "line=x/1", `found="the process with its pid started later"`)
				died.to = time.Now() // found dead, not watched
				if !alive(other.Process.Pid) {
					t.Error("the pid was not in use while utmpd judged")
				}
			}
			w.mustGo(t, died)
			d.stop(t)
		})
	}
}

// TestPIDReusedWhileUtmpdWasHeldUp is the same race against a running daemon: the
// login, the death and the reuse of the pid all happen before utmpd can look.
func TestPIDReusedWhileUtmpdWasHeldUp(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	upFor(t, longAgo+2*time.Second)
	d := startUtmpd(t)
	lives := dwell(t, "x/1")
	lives.watched(t, d)
	d.cmd.Process.Signal(syscall.SIGSTOP)
	w := recordSince(t, "x/2", sleeper(t, aliceSleeps()), longAgo)
	died := w.kill(t)
	reincarnateBy(t, int(w.entry.PID), aliceSleeps)
	d.cmd.Process.Signal(syscall.SIGCONT)
	waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, "x/2") })
	died.to = time.Now()
	w.mustGo(t, died)
	lives.mustStand(t)
}

// TestPIDReusedForNewSession checks a user who logs in again at once, when the new
// session's process gets the old one's pid. The old session ends and the new one
// stays, on another line or on the same line.
func TestPIDReusedForNewSession(t *testing.T) {
	for _, c := range []struct {
		name, line string
		down       bool // it happens while utmpd is not running
	}{
		{"another line", "x/2", false},
		{"the same line", "x/1", false},
		{"another line, while utmpd was down", "x/2", true},
		{"the same line, while utmpd was down", "x/1", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			d := startUtmpd(t)
			old := record(t, "x/1", sleeper(t, aliceSleeps()))
			old.watched(t, d)
			if c.down {
				awaitSaved(t, old)
				d.kill()
			}
			died := old.kill(t)
			next := record(t, c.line, reincarnateBy(t, int(old.entry.PID), aliceSleeps))
			if c.down {
				startUtmpdAs(t, nil)
			}
			if c.line != old.entry.Line {
				waitFor(t, generous, "who to stop showing the old session", func() bool { return !whoShows(t, old.entry.Line) })
				if c.down {
					died.to = time.Now()
				}
				old.mustGo(t, died)
			}
			holds(t, grace+500*time.Millisecond, "the new session", func() bool { return whoShows(t, c.line) })
			next.mustStand(t)
			next.mustGo(t, next.kill(t))
		})
	}
}

// TestPIDReusedWhileDownWithoutState checks a restart without saved state. The record
// is then judged as at first sight.
func TestPIDReusedWhileDownWithoutState(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	short, lives := record(t, "x/1", sleeper(t, aliceSleeps())), recordSince(t, "x/2", sleeper(t, aliceSleeps()), slack/2)
	short.watched(t, d)
	lives.watched(t, d)
	d.kill()
	forget(t)
	short.kill(t)
	short.cmd = reincarnateBy(t, int(short.entry.PID), aliceSleeps)
	startUtmpdAs(t, nil)
	holds(t, grace+300*time.Millisecond, "the indistinguishable and the living session", func() bool {
		return whoShows(t, "x/1") && whoShows(t, "x/2")
	})
	for _, w := range []*dweller{short, lives} {
		w.mustStand(t)
		w.mustGo(t, w.kill(t))
	}
}

// TestSlackIsDocumented checks that the documentation names the cases that utmpd
// cannot distinguish.
func TestSlackIsDocumented(t *testing.T) {
	for name, from := range map[string]string{"man/utmpd.8": ".Sh CAVEATS", "docs/architecture.md": "**Identity.**"} {
		b, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		_, section, _ := strings.Cut(string(b), from)
		if !strings.Contains(section, "60 seconds") || !strings.Contains(section, "BOOT_TIME") {
			t.Errorf("%s does not document the slack", name)
		}
	}
}

// inTimeNamespace makes a command see a boot that was a day earlier. To the command,
// the wall clock was set forward by a day after BOOT_TIME was written, and all
// processes started a day later after the boot.
func inTimeNamespace(cmd *exec.Cmd) *exec.Cmd {
	cmd.Args = append([]string{"unshare", "--time", "--boottime", "86400", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/usr/bin/unshare"
	return cmd
}

// TestTimeNamespace checks that living sessions are not marked dead when, by utmpd's
// clocks, the start times differ from those saved in an earlier run and BOOT_TIME is
// not the time of the boot.
func TestTimeNamespace(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	upFor(t, longAgo+2*time.Second)
	d := startUtmpd(t)
	lives, dies := dwell(t, "x/1"), dwell(t, "x/2")
	awaitSaved(t, lives, dies)
	d.stop(t)
	died := dies.kill(t)
	reused := recordSince(t, "x/3", sleeper(t, aliceSleeps()), longAgo)
	reused.kill(t)
	reused.cmd = reincarnateBy(t, int(reused.entry.PID), aliceSleeps)

	d = startUtmpdBy(t, inTimeNamespace(exec.Command(utmpdBinary, "-foreground", "-config", configFile)))
	if readlink(t, "/proc/self/ns/time") == readlink(t, fmt.Sprintf("/proc/%d/ns/time", d.cmd.Process.Pid)) {
		t.Fatal("utmpd is in no time namespace of its own")
	}
	waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, "x/2") })
	died.to = time.Now()
	dies.mustGo(t, died)
	holds(t, grace+300*time.Millisecond, "the living", func() bool { return whoShows(t, "x/1") && whoShows(t, "x/3") })
	for _, w := range []*dweller{lives, reused} {
		w.mustStand(t)
		w.mustGo(t, w.kill(t))
	}
}
