// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// TestWaits: a logout waits for the process that the open login names, and no longer.
func TestWaits(t *testing.T) {
	const writer = 300 // wrote the login to the log
	tests := []struct {
		name string
		run  func(w *world)
	}{
		{"until it ends", func(w *world) {
			w.pass(time.Minute)
			w.wantOwed(1)
			died := w.now.Wall
			w.kill(writer, session.Status{})
			w.wantPaid(died)
		}},
		{"across a restart", func(w *world) {
			w.restart()
			w.scan()
			w.pass(time.Minute)
			w.wantOwed(1)
			died := w.now.Wall
			w.kill(writer, session.Status{})
			w.wantPaid(died)
		}},
		{"which ended while utmpd did not run", func(w *world) {
			c := w.table.Checkpoint(w.now)
			delete(w.procs, writer)
			w.pass(time.Minute)
			w.table = New(w.table.set)
			w.table.Restore(c)
			w.scan()
			w.wantPaid(epoch)
		}},
		{"unwatched, which is asked about with each reading", func(w *world) {
			c := w.table.Checkpoint(w.now)
			w.maxFDs = 0
			w.table = New(w.table.set)
			w.table.Restore(c)
			w.scan()
			w.wantOwed(1)
			w.kill(writer, session.Status{})
			w.pass(time.Minute)
			w.scan()
			if len(w.paid) != 1 {
				w.t.Errorf("paid: %v", w.paid)
			}
		}},
		{"but not for one that started later", func(w *world) {
			c := w.table.Checkpoint(w.now)
			delete(w.procs, writer)
			w.pass(time.Hour)
			w.start(writer)
			w.table = New(w.table.set)
			w.table.Restore(c)
			w.scan()
			w.wantPaid(epoch)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.put(1, utmpx.Record{Type: utmpx.BootTime, Line: "~", Time: utmpx.TimeOf(w.boot)})
			w.start(100)
			w.start(writer)
			r := w.login("pts/9", 100)
			w.put(0, r)
			w.scan()
			w.doubt = session.Login{Line: "pts/9", PID: writer, Time: utmpx.TimeOf(epoch)}
			w.kill(100, session.Status{})
			w.pass(time.Second)
			w.wantDead(0, epoch)
			w.wantOwed(1)
			tt.run(w)
			w.wantOwed(0)
		})
	}
}

func (w *world) wantOwed(n int) {
	w.t.Helper()
	if got := w.table.Counts().Owed; got != n {
		w.t.Errorf("%d logouts are owed, want %d", got, n)
	}
}

// wantPaid checks that the logout was written, with that time.
func (w *world) wantPaid(end time.Time) {
	w.t.Helper()
	if len(w.paid) != 1 || w.paid[0].Of != w.doubt || !w.paid[0].End.Equal(end) {
		w.t.Errorf("paid: %+v, want the end %v", w.paid, end)
	}
}
