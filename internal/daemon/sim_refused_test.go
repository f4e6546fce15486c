// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// TestBridgeLogRefused has a session of logind begin while the log takes nothing, and utmpd be
// killed or stopped and started again. Once the log takes records, it has one login and, if the
// session has ended, one logout, with their true times.
func TestBridgeLogRefused(t *testing.T) {
	const never = 0
	for _, tt := range []struct {
		name         string
		owner        int
		how          int           // the session ends
		ends         time.Duration // never: not
		kill, start  time.Duration // of utmpd; never: not
		again        bool          // the line gets a second session
		works        time.Duration // the log does, from then on
		killAfterAll bool
	}{
		{name: "no restart", works: 30 * time.Second},
		{name: "killed and started", kill: 5 * time.Second, start: 6 * time.Second, works: 30 * time.Second},
		{name: "the log works while utmpd is away", kill: 5 * time.Second, start: 20 * time.Second, works: 10 * time.Second},
		{name: "ended before", ends: 5 * time.Second, works: 30 * time.Second, how: 2},
		{name: "ended before, killed", ends: 5 * time.Second, kill: 10 * time.Second, start: 11 * time.Second, works: 30 * time.Second, how: 2},
		{name: "ended while utmpd was away", kill: 5 * time.Second, ends: 8 * time.Second, start: 11 * time.Second, works: 30 * time.Second, how: 2},
		{name: "ended after the restart", kill: 5 * time.Second, start: 8 * time.Second, ends: 11 * time.Second, works: 30 * time.Second, how: 2},
		{name: "ended just as the log works", ends: 30 * time.Second, works: 30 * time.Second, how: 2},
		{name: "ended just before", ends: 29 * time.Second, works: 30 * time.Second, how: 2},
		{name: "its owner has closed the record", ends: 8 * time.Second, works: 30 * time.Second, how: 0},
		{name: "and utmpd was killed", ends: 8 * time.Second, works: 30 * time.Second, how: 0, kill: 10 * time.Second, start: 11 * time.Second},
		{name: "killed again when the log works", ends: 8 * time.Second, works: 30 * time.Second, how: 0, killAfterAll: true},
		{name: "two on one line", ends: 5 * time.Second, again: true, works: 30 * time.Second, how: 2},
		{name: "two on one line, killed", ends: 5 * time.Second, again: true, kill: 15 * time.Second, start: 16 * time.Second, works: 30 * time.Second, how: 2},
		{name: "login(1)", owner: lgLogin, kill: 5 * time.Second, start: 6 * time.Second, works: 30 * time.Second},
		{name: "login(1), ended", owner: lgLogin, ends: 8 * time.Second, kill: 5 * time.Second, start: 6 * time.Second, works: 30 * time.Second, how: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newSimWorld(simSettings{grace: time.Second, scan: 20 * time.Second, maxFDs: 4096, boot: true, upAtStart: 10 * time.Hour, order: 1}, nil)
				b := newSimBridge(w)
				w.bridge = b
				w.start(0)
				time.Sleep(time.Second)
				owner := tt.owner
				if owner == 0 {
					owner = lgSSHNever
				}
				at := func(d time.Duration, do func()) {
					if d != never {
						b.after(d, do)
					}
				}
				w.mu.Lock()
				w.logError, w.logFailsUntil = syscall.ENOSPC, time.Now().Add(tt.works)
				b.login(owner, 0, 0)
				first := b.sessions[0]
				var ended time.Time
				at(tt.ends, func() { ended = w.wallAt(time.Now()); b.leave(first, tt.how) })
				if tt.again {
					at(tt.ends+5*time.Second, func() { b.login(owner, 0, 0) })
				}
				at(tt.kill, func() { w.run.kill() })
				w.mu.Unlock()
				if tt.start != never {
					time.Sleep(tt.start)
					w.start(0)
				}
				time.Sleep(tt.works - tt.start + 70*time.Second)
				w.mu.Lock()
				if _, isOpen := open(w.history, "pts/0"); isOpen && tt.ends != never && tt.how == 2 && owner == lgSSHNever && !tt.again {
					t.Error("the logout has not followed its login at once")
				}
				if tt.killAfterAll {
					w.run.kill()
				}
				w.mu.Unlock()
				if tt.killAfterAll {
					w.start(0)
				}
				time.Sleep(10 * time.Minute)
				b.check()
				w.mu.Lock()
				var logins, logouts []utmpx.Record
				for _, e := range w.history {
					switch {
					case e.rec.Line != first.line() && e.rec.Line != "pts/0":
					case e.rec.Type == utmpx.UserProcess:
						logins = append(logins, e.rec)
					default:
						logouts = append(logouts, e.rec)
					}
				}
				w.mu.Unlock()
				for i, s := range b.sessions {
					if i >= len(logins) || logins[i].PID != s.leader.pid || logins[i].Time != utmpx.TimeOf(s.it.Since) {
						t.Errorf("logins %v, want one of %d at %v", logins, s.leader.pid, s.it.Since)
					}
				}
				if len(logins) != len(b.sessions) {
					t.Errorf("%d logins, %d sessions", len(logins), len(b.sessions))
				}
				switch off := time.Duration(0); {
				case tt.ends == never && len(logouts) == 0:
				case tt.ends == never || len(logouts) != 1:
					t.Errorf("logouts: %v", logouts)
				default:
					off = logouts[0].Time.Time().Sub(ended)
					if away := tt.start > tt.ends && tt.kill < tt.ends; off < 0 && !away || off > tt.start-tt.kill+time.Second {
						t.Errorf("logout at %v, ended at %v", logouts[0], ended)
					}
				}
				b.finish(20 * time.Minute)
				for _, wrong := range w.wrong {
					t.Error(wrong)
				}
			})
		})
	}
}
