// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/utmpx"
)

const (
	stateDir = "/var/lib/utmpd"
	noteFile = stateDir + "/heartbeat"
)

// utmpctl runs utmpctl as the given user, or as root if that is nil, and returns
// what it printed.
func utmpctl(t *testing.T, as *syscall.Credential, args ...string) string {
	t.Helper()
	cmd := exec.Command(utmpctlBinary, append([]string{args[0], "-config", configFile}, args[1:]...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("utmpctl %v: %v\n%s", args, err, &out)
	}
	t.Logf("utmpctl %v:\n%s", args, &out)
	return out.String()
}

// bootedAt returns the time at which this machine booted, to the second.
func bootedAt(t *testing.T) time.Time {
	t.Helper()
	b, err := bootRecord()
	if err != nil {
		t.Fatal(err)
	}
	return utmpx.Native().Decode(string(b)).Time.Time()
}

// startedAt returns the time at which the guest started: its boot, as in a
// container.
func startedAt(t *testing.T) time.Time {
	t.Helper()
	first, err := proc.Find(1)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	return proc.Boot(time.Now()).Add(first.ID().SinceBoot())
}

func encoded(t *testing.T, recs ...utmpx.Record) []byte {
	t.Helper()
	var b []byte
	for _, r := range recs {
		p, err := utmpx.Native().Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, p...)
	}
	return b
}

// lastBoot writes a wtmp file with a boot that began a day before this one and
// has no end. It holds one session that ended and one that did not. It removes
// utmp.
func lastBoot(t *testing.T) (began time.Time) {
	t.Helper()
	began = startedAt(t).Add(-24 * time.Hour)
	at := func(d time.Duration) utmpx.Time { return utmpx.TimeOf(began.Add(d)) }
	writeLog(t, wtmpFile, encoded(t,
		utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.1.0", Time: at(0)},
		utmpx.Record{Type: utmpx.UserProcess, PID: 900, Line: "pts/1", ID: "ts/1", User: "bob", Host: "desk", Time: at(time.Hour)},
		utmpx.Record{Type: utmpx.DeadProcess, PID: 900, Line: "pts/1", ID: "ts/1", Time: at(2 * time.Hour)},
		utmpx.Record{Type: utmpx.UserProcess, PID: 901, Line: "pts/0", ID: "ts/0", User: "alice", Host: "desk", Time: at(3 * time.Hour)},
	))
	if err := os.Chtimes(wtmpFile, began, time.Time{}); err != nil { // nobody has read it since
		t.Fatal(err)
	}
	if err := os.Remove(utmpFile); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		t.Fatal(err)
	}
	return began
}

// note writes the heartbeat's note of another boot.
func note(t *testing.T, at time.Time) {
	t.Helper()
	text := fmt.Sprintf("utmpd-heartbeat 2\nboot \"another\"\ntime %s\nevery 1m0s\nstate running\n", at.UTC().Format(time.RFC3339Nano))
	if err := os.WriteFile(noteFile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// lastX returns what `last -x` prints. No duration in it may be negative.
func lastX(t *testing.T) string {
	t.Helper()
	text := judge(t, "/usr/bin/last", "-x", "-w", "--time-format", "iso", "-f", wtmpFile)
	if regexp.MustCompile(`\(-|- *-`).MatchString(text) {
		t.Errorf("a negative duration:\n%s", text)
	}
	t.Logf("last -x:\n%s", text)
	return text
}

// downAt checks that last ends the session on a line with the system, at the
// given time.
func downAt(t *testing.T, line string, want time.Time) {
	t.Helper()
	for _, v := range lastNow(t) {
		if v.line != line {
			continue
		}
		d := want.Sub(v.begin).Truncate(time.Minute)
		if text := fmt.Sprintf("- down                       (%02d:%02d)", d/time.Hour, d%time.Hour/time.Minute); !strings.HasSuffix(v.text, text) {
			t.Errorf("last ends the session on %s with %s, want %s", line, v.text, text)
		}
		return
	}
	t.Errorf("last shows no session on %s", line)
}

// TestBootAfterCrash checks that last and who understand what utmpctl boot
// records.
func TestBootAfterCrash(t *testing.T) {
	for _, c := range []struct {
		name  string
		known func(t *testing.T, began time.Time) time.Time // sets up the evidence of the crash
		host  string
	}{
		{"heartbeat", func(t *testing.T, began time.Time) time.Time {
			at := began.Add(20 * time.Hour).Truncate(time.Second)
			note(t, at)
			return at
		}, "crash+60s,heartbeat"},
		{"access time", func(t *testing.T, began time.Time) time.Time {
			at := began.Add(10 * time.Hour).Truncate(time.Second)
			if err := os.Chtimes(wtmpFile, at, time.Time{}); err != nil {
				t.Fatal(err)
			}
			return at
		}, "crash+?,access-time"},
		{"last record", func(t *testing.T, began time.Time) time.Time { return began.Add(3 * time.Hour) }, "crash+?,last-record"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			configure(t, "BOOT_RECORDS=yes")
			began := lastBoot(t)
			crashed := c.known(t, began)
			for range 10 {
				utmpctl(t, nil, "boot")
			}
			text := lastX(t)
			if n := strings.Count(text, c.host); n != 1 {
				t.Errorf("last -x shows %q %d times", c.host, n)
			}
			if n := strings.Count(text, "system boot"); n != 2 {
				t.Errorf("last -x shows %d boots", n)
			}
			downAt(t, "pts/0", crashed)
			if got, want := judge(t, "/usr/bin/who", "-b", utmpFile), startedAt(t).UTC().Format("2006-01-02 15:04"); !strings.Contains(got, "system boot  "+want) {
				t.Errorf("who -b says %q, want %s", got, want)
			}
			var st syscall.Stat_t
			if err := syscall.Stat(utmpFile, &st); err != nil || st.Mode&0o7777 != 0o664 || st.Uid != 0 || st.Gid != utmpGroup {
				t.Errorf("utmp has mode %o, user %d, group %d, %v", st.Mode, st.Uid, st.Gid, err)
			}
			down := utmpctl(t, nil, "downtime")
			if !strings.Contains(down, " crashed ") || !strings.Contains(down, " running ") || !strings.Contains(down, "2 boots, 1 crash;") {
				t.Error("downtime does not report the crash")
			}
		})
	}
}

// TestBootOrdinaryUser checks that a member of the group utmp who owns STATE_DIR
// can do everything except create the utmp file.
func TestBootOrdinaryUser(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	const uid = 900
	configure(t, "BOOT_RECORDS=yes")
	began := lastBoot(t)
	note(t, began.Add(20*time.Hour))
	writeLog(t, utmpFile, nil)
	if err := os.Chown(stateDir, uid, uid); err != nil {
		t.Fatal(err)
	}
	as := &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{utmpGroup}}
	utmpctl(t, as, "boot")
	lastX(t)
	utmpctl(t, as, "shutdown")
	if n := len(records(t, wtmpFile)); n != 4+3 {
		t.Errorf("wtmp has %d records, want the crash, the boot and the shutdown besides 4", n)
	}
	if n := len(records(t, utmpFile)); n != 1 {
		t.Errorf("utmp has %d records", n)
	}
	utmpctl(t, as, "downtime")
}

// TestShutdownCleans checks that sessions with a dead process are logged out
// before the shutdown is recorded, and that living sessions stay.
func TestShutdownCleans(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	configure(t, "BOOT_RECORDS=yes")
	dead, lives := dwell(t, "x/1"), dwell(t, "x/2")
	dead.kill(t)
	utmpctl(t, nil, "shutdown")
	if whoShows(t, dead.entry.Line) || !whoShows(t, lives.entry.Line) {
		t.Errorf("who shows %q", who(t))
	}
	got := records(t, wtmpFile)
	if n := len(got); n < 2 || got[n-1].User != "shutdown" || got[n-2].Type != utmpx.DeadProcess || got[n-2].Line != dead.entry.Line {
		t.Errorf("wtmp holds %v", got)
	}
}

// TestBootAfterKill uses the note of a real utmpd that was killed with the
// system, and of one that ended before it.
func TestBootAfterKill(t *testing.T) {
	for _, s := range suites {
		t.Run(string(s), func(t *testing.T) {
			if !enter(t, s) {
				return
			}
			configure(t, "BOOT_RECORDS=yes", "WTMPX_UPDATE_FREQ=1")
			if err := os.MkdirAll(stateDir, 0o755); err != nil {
				t.Fatal(err)
			}
			utmpctl(t, nil, "boot")
			d := startUtmpdAs(t, nil)
			w := dwell(t, "x/1")
			w.watched(t, d)
			beat := readFile(t, noteFile)
			waitFor(t, generous, "the next beat", func() bool { return !bytes.Equal(beat, readFile(t, noteFile)) })
			if err := d.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, generous, "utmpd to be gone", func() bool { return running() == 0 })
			// Simulate the next boot. This machine's boot time cannot be changed, so
			// the last boot's records get other ids and become two hours older.
			age(t)
			utmpctl(t, nil, "boot")
			text := lastX(t)
			if n := strings.Count(text, "crash+1s,heartbeat"); n != 1 {
				t.Errorf("%d crashes", n)
			}
			// A controlled shutdown follows, which is recorded once.
			before := len(records(t, wtmpFile))
			utmpctl(t, nil, "shutdown")
			utmpctl(t, nil, "shutdown")
			if n := len(records(t, wtmpFile)) - before; n != 1 {
				t.Errorf("%d shutdown records", n)
			}
			if text := string(readFile(t, noteFile)); !strings.Contains(text, "state shutdown") {
				t.Errorf("the note:\n%s", text)
			}
			utmpctl(t, nil, "downtime")
		})
	}
}

// age changes the files so that their boot was over before this one began.
func age(t *testing.T) {
	t.Helper()
	back := time.Since(startedAt(t)) + 2*time.Hour
	recs := records(t, wtmpFile)
	for i, r := range recs {
		recs[i].Time = utmpx.TimeOf(r.Time.Time().Add(-back))
	}
	writeLog(t, wtmpFile, encoded(t, recs...))
	if err := os.Remove(utmpFile); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{noteFile, stateDir + "/boot"} {
		n, err := heartbeat.ReadNote(name)
		if err != nil {
			t.Fatal(err)
		}
		n.BootID, n.Time = "another", n.Time.Add(-back)
		if err := heartbeat.WriteNote(name, n); err != nil {
			t.Fatal(err)
		}
	}
}
