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

// TestLostRecord: a session that has lost its record is known until its process ends;
// then its login is closed, after the grace.
func TestLostRecord(t *testing.T) {
	tests := []struct {
		name string
		run  func(w *world, r utmpx.Record)
	}{
		{"displaced while its process lives", func(w *world, r utmpx.Record) {
			w.start(200)
			other := w.login("pts/1", 200)
			other.ID = r.ID
			w.put(0, other)
			w.scan()
			w.pass(time.Hour)
			w.wantUnpaid()
			w.restart()
			w.scan()
			w.pass(time.Hour)
			w.wantUnpaid()
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.wantUnpaid()
			w.pass(time.Second)
			w.wantLost(r, died)
		}},
		{"marked by its owner, in the grace", func(w *world, r utmpx.Record) {
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.pass(time.Second / 2)
			w.mark(r)
			w.pass(time.Second - 1)
			w.wantUnpaid()
			w.pass(1)
			w.wantLost(r, died)
		}},
		{"marked by its owner, many times, while its process lives", func(w *world, r utmpx.Record) {
			for range 5 {
				w.mark(r)
				w.pass(time.Minute)
				w.put(0, r)
				w.scan()
			}
			w.mark(r)
			w.pass(time.Hour)
			w.wantUnpaid()
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.pass(time.Minute)
			w.wantLost(r, died)
		}},
		{"its terminal has a leader", func(w *world, r utmpx.Record) {
			w.start(101)
			w.leaders["pts/0"] = w.leader(101, time.Second)
			w.procs[101].id = w.leaders["pts/0"].Leaders[0].ID
			w.mark(r)
			w.kill(100, session.Status{})
			w.pass(time.Hour)
			w.wantUnpaid()
			died := w.now.Wall
			delete(w.leaders, "pts/0")
			w.kill(101, session.Status{})
			w.pass(time.Minute)
			w.wantLost(r, died)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.start(100)
			r := w.login("pts/0", 100)
			w.put(0, r)
			w.scan()
			w.pass(time.Minute)
			tt.run(w, r)
			if n := len(w.table.waits.byKey); n != 0 {
				t.Errorf("%d are left", n)
			}
		})
	}
}

// mark has the owner of the record mark it dead, in utmp alone.
func (w *world) mark(r utmpx.Record) {
	r.Type, r.User, r.Host, r.Time = utmpx.DeadProcess, "", "", utmpx.TimeOf(w.now.Wall)
	w.put(0, r)
	w.scan()
}

func (w *world) wantUnpaid() {
	w.t.Helper()
	if len(w.paid) != 0 {
		w.t.Fatalf("paid: %+v", w.paid)
	}
}

// wantLost checks that the logout of a record was handed out once, with that time.
func (w *world) wantLost(r utmpx.Record, end time.Time) {
	w.t.Helper()
	if len(w.paid) != 1 || w.paid[0].Login.Line != r.Line || w.paid[0].Login.PID != r.PID || !w.paid[0].End.Equal(end) {
		w.t.Errorf("paid: %+v, want %v, ended %v", w.paid, r, end)
	}
}

// TestWaitedInVain: a logout whose process has ended cannot be judged yet. It is tried
// again after a pause, not at once.
func TestWaitedInVain(t *testing.T) {
	w := newWorld(t)
	debt := session.Debt{Login: w.login("pts/0", 100), End: w.now.Wall}
	debt.Of = session.Login{Line: "pts/0", PID: 99, Time: debt.Login.Time}
	w.table.debts.owed = []session.Debt{debt}
	if acts := w.table.Handle(w.now, Tick{}); len(acts.Pay) != 1 {
		t.Fatalf("%+v", acts)
	}
	acts := w.table.Handle(w.now, Paid{Waiting: []session.Debt{debt}})
	if next, ok := w.table.Next(); len(acts.Watch) != 0 || len(acts.Pay) != 0 || !ok || next != w.now.Mono+owedEvery {
		t.Errorf("%+v, next %v %v: it is not tried again after a pause", acts, next, ok)
	}
}
