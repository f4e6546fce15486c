// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// TestGettyOnLine has a login of login(1) that was killed before utmpd started. agetty waits
// for the next one on its terminal, which it leads as root: the record is cleaned, and the
// getty's own stays.
func TestGettyOnLine(t *testing.T) {
	for _, test := range []struct {
		name  string
		start func(*testing.T, *session) utmpx.Record
	}{
		{"its record is there", func(t *testing.T, s *session) utmpx.Record {
			startGetty(t, s)
			waits := awaitGetty(t, s.entry.Line)
			startUtmpd(t)
			return waits
		}},
		{"its record comes later", func(t *testing.T, s *session) utmpx.Record {
			free := lockUtmpx(t)
			getty := startGetty(t, s)
			waitFor(t, generous, "agetty to lead "+s.entry.Line, func() bool { return leaderOf(s.entry.Line) == getty.Process.Pid })
			d := startUtmpd(t)
			d.waitLog(t, "session left alone", "line="+s.entry.Line, "its line still has a session leader")
			mustBeThere(t, s.entry)
			free()
			return awaitGetty(t, s.entry.Line)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			s := loginOnPTY(startLogin)(t)
			kill("", serverAndShell).do(t, s)
			waitFor(t, generous, "the session's death", func() bool { return !alive(s.shell) && !alive(s.server) })
			from := time.Now()
			waits := test.start(t, s)
			marked := awaitMarked(t, s.entry)
			within(t, "the entry's time", marked.Time.Time(), death{from, time.Now()})
			waitFor(t, generous, "the logout", func() bool { return logouts(t, s.entry) == 1 })
			settle(t)
			if !slices.Contains(records(t, utmpFile), waits) || !alive(int(waits.PID)) {
				t.Errorf("the getty's record has gone: %v", records(t, utmpFile))
			}
		})
	}
}

// startGetty starts agetty on the terminal of a session, as its leader.
func startGetty(t *testing.T, s *session) *exec.Cmd {
	t.Helper()
	getty := s.tm.start(t, exec.Command("agetty", "--noclear", "-", "linux"))
	t.Cleanup(func() { getty.Process.Kill() })
	return getty
}

// awaitGetty returns the record of the getty on a line, once it is there.
func awaitGetty(t *testing.T, line string) (waits utmpx.Record) {
	t.Helper()
	waitFor(t, generous, "the getty's record", func() bool {
		all := records(t, utmpFile)
		i := slices.IndexFunc(all, func(r utmpx.Record) bool { return r.Type == utmpx.LoginProcess && r.Line == line })
		if i >= 0 {
			waits = all[i]
		}
		return i >= 0
	})
	return waits
}

// lockUtmpx holds the lock that writers wait for, until free is called.
func lockUtmpx(t *testing.T) (free func()) {
	t.Helper()
	f, err := os.OpenFile(utmpFile, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}); err != nil {
		t.Fatal(err)
	}
	return func() { f.Close() }
}
