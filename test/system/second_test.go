// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// straddler is a login of Debian 12's login(1), aimed at the end of a second. PAM writes
// wtmp some milliseconds before login writes utmp, from another process.
type straddler struct {
	tm    *terminal
	began time.Time
	login *exec.Cmd
	entry utmpx.Record // in utmp
	log   utmpx.Record // in wtmp
}

// TestLoginsAcrossSeconds starts logins so that some are in wtmp before the turn of a
// second and in utmp after it, until it has seen three. All are killed. Each gets its
// logout, and only one.
func TestLoginsAcrossSeconds(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	const wanted, together = 3, 8
	delay, seen, all := 30*time.Millisecond, 0, 0
	for end := time.Now().Add(generous); seen < wanted; {
		if time.Now().After(end) {
			t.Fatalf("%d of %d logins straddled a second, want %d", seen, all, wanted)
		}
		logins := aim(t, together, delay)
		delay = 0
		for _, l := range logins {
			if l.log.Time.Sec != l.entry.Time.Sec {
				seen++
			}
			delay += l.log.Time.Time().Sub(l.began) / together
		}
		all += len(logins)
		murder(t, d, logins)
		for _, l := range logins {
			l.mustBeLoggedOut(t)
		}
	}
	t.Logf("%d of %d logins straddled a second", seen, all)
}

// aim starts logins shortly before the turn of a second, one millisecond after another,
// and returns when all are recorded. delay is how long login took to write to wtmp.
func aim(t *testing.T, together int, delay time.Duration) []*straddler {
	t.Helper()
	logins := make([]*straddler, together)
	for i := range logins {
		logins[i] = &straddler{tm: openTerminal(t)}
	}
	first := delay + time.Duration(together/2)*time.Millisecond
	turn := time.Now().Add(first + 100*time.Millisecond).Truncate(time.Second).Add(time.Second)
	for i, l := range logins {
		time.Sleep(time.Until(turn.Add(-first + time.Duration(i)*time.Millisecond)))
		l.began = time.Now()
		l.login = l.tm.start(t, exec.Command("login", "-f", "alice"))
	}
	for _, l := range logins {
		waitFor(t, generous, "the records of "+l.tm.line, func() bool {
			l.entry, l.log = ofLine(entries(t), l.tm.line), ofLine(records(t, wtmpFile), l.tm.line)
			return l.entry.Type == utmpx.UserProcess && l.log.Type == utmpx.UserProcess
		})
	}
	return logins
}

// ofLine returns the last record of a line.
func ofLine(all []utmpx.Record, line string) utmpx.Record {
	var last utmpx.Record
	for _, r := range all {
		if r.Line == line {
			last = r
		}
	}
	return last
}

// murder kills login and shell of each login that utmpd watches.
func murder(t *testing.T, d *utmpd, logins []*straddler) {
	t.Helper()
	for _, l := range logins {
		(&dweller{entry: l.entry}).watched(t, d)
	}
	for _, l := range logins {
		for _, pid := range []int{l.login.Process.Pid, int(l.entry.PID)} {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
				t.Fatal(err)
			}
		}
	}
}

// mustBeLoggedOut waits until the record is marked, and counts the logouts in wtmp. The
// line may have had other logins before.
func (l *straddler) mustBeLoggedOut(t *testing.T) {
	t.Helper()
	waitFor(t, generous, "the record of "+l.tm.line+" to be marked", func() bool { return !whoShows(t, l.tm.line) })
	log := records(t, wtmpFile)
	n := 0
	for _, r := range log[slices.Index(log, l.log):] {
		if r.Line == l.tm.line && r.Type == utmpx.DeadProcess {
			n++
		}
	}
	if n != 1 {
		t.Errorf("wtmp holds %d logouts of the login %v, in utmp %v", n, l.log, l.entry)
	}
	l.tm.close()
}
