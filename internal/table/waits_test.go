// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"errors"
	"reflect"
	"slices"
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

// TestLostOnVT has the next getty write over the record of a session on a virtual terminal
// that was killed: its login is closed, if it was seen to lead the line.
func TestLostOnVT(t *testing.T) {
	for _, leads := range []bool{true, false} {
		w := newWorld(t)
		w.start(100)
		if leads {
			w.sights[100] = session.Sighting{Leader: w.procs[100].id}
		}
		r := w.login("tty1", 100)
		w.put(0, r)
		w.scan()
		w.pass(10 * time.Second)
		died := w.now.Wall
		w.kill(100, session.Status{})
		w.start(101)
		w.put(0, utmpx.Record{Type: utmpx.LoginProcess, PID: 101, Line: "tty1", ID: r.ID, User: "LOGIN", Time: utmpx.TimeOf(died)})
		w.scan()
		w.leaders["tty1"] = w.leader(101, 0)
		w.pass(time.Minute)
		if leads {
			w.wantLost(r, died)
		} else {
			w.wantUnpaid()
		}
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

// TestPaymentsTold: what became of logouts that wait is reported: that they still do, and
// that some were closed by others, of those that were called owed.
func TestPaymentsTold(t *testing.T) {
	w := newWorld(t)
	owed := []session.Debt{{Login: w.login("pts/0", 100)}, {Login: w.login("pts/1", 101)}, {Login: w.login("pts/2", 102), By: session.ID{PID: 102}}}
	locked := errors.New("locked")
	for _, tt := range []struct {
		name string
		paid Paid
		want []session.Report
	}{
		{"all wait", Paid{Left: owed, Err: locked}, []session.Report{session.PaymentDelayed{Logouts: 3, Err: locked}}},
		{"none is left without a log", Paid{Closed: 3, Err: locked}, nil},
		{"two written", Paid{Closed: 1}, []session.Report{session.DebtsPaid{Logouts: 2}}},
		{"one written, one called owed is not open", Paid{Closed: 2, Told: 1}, []session.Report{session.DebtsPaid{Logouts: 1, Closed: 1}}},
		{"two called owed are not open", Paid{Closed: 3, Told: 2}, []session.Report{session.DebtsPaid{Closed: 2}}},
		{"not open, and not called owed", Paid{Closed: 3}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.table.debts.owed, w.table.debts.tried = owed, len(owed)
			acts := w.table.Handle(w.now, tt.paid)
			if !reflect.DeepEqual(acts.Reports, tt.want) {
				t.Errorf("%+v, want %+v", acts.Reports, tt.want)
			}
		})
	}
}

// TestRivals: the sessions of a line share the records that it has lost, and each change
// of them shows.
func TestRivals(t *testing.T) {
	table := New(Settings{})
	lost := func(pid int32, user string, sec int64) {
		login := utmpx.Record{Line: "pts/1", PID: pid, User: user, Time: utmpx.Time{Sec: sec}}
		table.keep(&entry{line: "pts/1", pid: pid, user: user, login: login.Time}, session.Debt{Login: login})
	}
	secs := func() (all []int64) {
		for _, r := range table.waits.rivals("pts/1") {
			all = append(all, r.Time.Sec)
		}
		return all
	}
	want := func(what string, want ...int64) {
		t.Helper()
		if got := secs(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	want("none")
	lost(1, "alice", 1)
	want("one", 1)
	lost(2, "alice", 2)
	want("two", 1, 2)
	lost(2, "alice", 3)
	want("the later record of one", 1, 3)
	a, b := table.waits.rivals("pts/1"), table.waits.rivals("pts/1")
	if &a[0] != &b[0] || cap(a) != len(a) {
		t.Error("they are not shared, or can be appended to")
	}
	for s := range table.waits.each() {
		table.giveUp(s)
		break
	}
	want("one less", 3)
	if len(a) != 2 || a[0].Time.Sec != 1 {
		t.Errorf("what was returned has changed: %v", a)
	}
}
