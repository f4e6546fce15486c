// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// TestRestartTwice: a run that ends before it has seen a record hands on what
// the run before it knew.
func TestRestartTwice(t *testing.T) {
	tests := []struct {
		name    string
		between func(w *world) // all that the second run sees
	}{
		{"ended before the first reading", func(*world) {}},
		{"there was no file", func(w *world) { w.handle(Scanned{Began: w.now.Mono, Periodic: true}) }},
		{"the file was empty", func(w *world) {
			was := w.file
			w.file = nil
			w.scan()
			w.file = was
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := one(t)
			died := w.now.Wall
			w.kill(100, session.Status{Known: true, Wait: 9})
			w.pass(100 * time.Millisecond)
			w.restart()
			tt.between(w)
			w.pass(time.Minute)
			w.restart()
			w.scan()
			w.pass(time.Second)
			w.wantDead(0, died)
			if got := w.cleaned[0].Status.Exit(); got != (utmpx.Exit{Termination: 9}) {
				t.Errorf("exit %v", got)
			}
		})
	}
}

// TestRestartTwiceAlive: when a session was last known alive is not what a run
// says that did not look.
func TestRestartTwiceAlive(t *testing.T) {
	w := one(t)
	alive := w.now.Wall
	w.restart()
	w.pass(time.Minute)
	w.restart()
	w.kill(100, session.Status{})
	w.start(100)
	w.scan()
	w.pass(time.Second)
	w.wantLog("another process has its pid")
	if got := w.cleaned[0].After; !got.Equal(alive) {
		t.Errorf("known alive until %v, want %v", got, alive)
	}
}

// TestRestartUnwatched: a process that is not watched was known to live when it was looked
// at, and not when the table was saved.
func TestRestartUnwatched(t *testing.T) {
	w := newWorld(t)
	w.maxFDs = 0
	w.start(100)
	w.put(0, w.login("pts/0", 100))
	w.scan()
	alive := w.now.Wall
	w.pass(time.Minute)
	w.kill(100, session.Status{})
	w.pass(time.Minute)
	w.restart()
	w.scan()
	w.pass(time.Second)
	if got := w.cleaned[0].After; !got.Equal(alive) {
		t.Errorf("known alive until %v, want %v", got, alive)
	}
}

// TestAliveByOneClock: the clock is set back, and when a session was last alive and when it
// was found dead are as far apart as they were.
func TestAliveByOneClock(t *testing.T) {
	w := newWorld(t)
	w.maxFDs = 0
	w.start(100)
	w.put(0, w.login("pts/0", 100))
	w.pass(2 * time.Hour)
	w.scan()
	alive := w.now.Mono
	w.pass(time.Minute)
	w.kill(100, session.Status{})
	w.now.Wall = w.now.Wall.Add(-time.Hour)
	w.scan()
	found := w.now.Mono
	w.pass(time.Second)
	if j := w.cleaned[0]; j.End.Sub(j.After) != found-alive {
		t.Errorf("alive until %v, found dead at %v, want %v between them", j.After, j.End, found-alive)
	}
}

// restart has another run take over what this one saves.
func (w *world) restart() {
	st := w.table.Checkpoint(w.now)
	for _, p := range w.procs {
		p.token = 0
	}
	w.kept = map[session.Token]int32{}
	w.table = New(w.table.set)
	w.table.Restore(st)
}

// TestIdentityIsKept: what is known of a process is not forgotten because a later
// look at it sees less: without a descriptor no inode, behind hidepid no start time.
func TestIdentityIsKept(t *testing.T) {
	w := one(t)
	was := w.procs[100].id
	w.restart()
	w.maxFDs = 0
	w.procs[100].id = session.ID{PID: 100}
	w.scan()
	w.wantAlive(0)
	w.kill(100, session.Status{})
	w.start(100)
	w.maxFDs = 1
	if w.procs[100].id.Same(was) {
		t.Fatal("the same process")
	}
	w.pass(time.Minute)
	w.scan()
	w.pass(time.Minute)
	w.wantLog("another process has its pid")
	if r := w.get(0); r.Type != utmpx.DeadProcess {
		t.Errorf("bound to another process: %v", r)
	}
}

// TestRestartWhileHidden: without pidfds, the pid of a process was given to another one while
// utmpd did not run, and /proc hides it for a while.
func TestRestartWhileHidden(t *testing.T) {
	w := one(t)
	w.restart()
	w.start(100)
	id := w.procs[100].id
	w.hides, w.procs[100].id = true, session.ID{PID: 100}
	w.scan()
	w.pass(time.Minute)
	w.wantAlive(0)
	w.hides, w.procs[100].id, w.procs[100].token = false, id, 0 // the Watcher takes it for another one
	w.read(false)
	w.pass(time.Minute)
	w.wantAlive(0)
	w.scan()
	w.pass(time.Minute)
	w.wantLog("another process has its pid")
	if r := w.get(0); r.Type != utmpx.DeadProcess {
		t.Errorf("%v", r)
	}
}

// TestRestartAfterDryRun: a run that writes to no record leaves the next one what it
// took over: the death it saw, and the process that the record is of.
func TestRestartAfterDryRun(t *testing.T) {
	for _, reused := range []bool{false, true} {
		w := one(t)
		w.dry = true
		died := w.now.Wall
		w.kill(100, session.Status{Known: true, Wait: 9})
		w.pass(time.Minute)
		w.wantAlive(0)
		w.wantLog("would-end")
		if reused {
			w.start(100)
		}
		w.restart()
		w.dry = false
		w.scan()
		w.pass(time.Second)
		w.wantDead(0, died)
		if got := w.cleaned[0].Status.Exit(); got != (utmpx.Exit{Termination: 9}) {
			t.Errorf("exit %v", got)
		}
	}
}
