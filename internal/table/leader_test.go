// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// twoOnOneLine has two records name pts/0, for a minute: of the processes 100 and 200.
func (w *world) twoOnOneLine() {
	w.start(100)
	w.start(200)
	w.put(0, w.login("pts/0", 100))
	w.put(1, w.login("pts/0", 200))
	w.scan()
	w.pass(time.Minute)
}

// TestLeaderOfAnotherRecord: who leads the line is another record's process, also
// while that is being asked about once more.
func TestLeaderOfAnotherRecord(t *testing.T) {
	w := newWorld(t)
	w.maxFDs = 1
	w.twoOnOneLine()
	w.kill(100, session.Status{})
	died := w.now.Wall
	w.now.Mono += time.Second
	asked := w.table.Handle(w.now, Tick{}).Gather
	if len(asked) != 1 {
		t.Fatalf("%+v", asked)
	}
	if acts := w.table.Handle(w.now, Requested{PIDs: []int32{200}}); len(acts.Watch) != 1 {
		t.Fatalf("%+v", acts)
	}
	w.leaders["pts/0"] = ledBy(w.procs[200].id)
	w.handle(w.gathered(asked))
	w.watch(200)
	w.pass(time.Minute)
	w.wantDead(0, died)
	w.wantAlive(1)
}

// TestTwins: of two records that name one pid and one line, the process is one's at most,
// and the leader above it may be the other's shell.
func TestTwins(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	w.start(101)
	w.put(0, w.login("pts/0", 100))
	second := w.login("pts/0", 100)
	second.ID = "/0"
	w.put(1, second)
	w.sights[100] = session.Sighting{Outer: w.procs[101].id}
	w.leaders["pts/0"] = ledBy(w.procs[101].id)
	w.scan()
	w.pass(time.Minute)
	w.kill(100, session.Status{})
	w.pass(time.Minute)
	w.wantAlive(0)
	w.wantAlive(1)
}

// TestLeaderFoundTooEarly: what was found on a line before a session asked says
// nothing of it. Its leader may have come since.
func TestLeaderFoundTooEarly(t *testing.T) {
	w := newWorld(t)
	w.table = New(Settings{KeepBusyLines: true}) // no grace
	w.twoOnOneLine()
	token := w.procs[100].token
	delete(w.procs, 100)
	asked := w.table.Handle(w.now, Exited{Token: token}).Gather
	if len(asked) != 1 {
		t.Fatalf("%+v", asked)
	}
	// Somebody looks. Behind their back the second session gets its shell, and
	// loses the process that its record names.
	w.pass(20 * time.Millisecond)
	w.start(201)
	w.leaders["pts/0"] = ledBy(w.procs[201].id)
	w.pass(10 * time.Millisecond)
	w.kill(200, session.Status{})
	w.handle(Gathered{Evidence: []session.Evidence{{Key: asked[0].Key}}})
	w.pass(time.Minute)
	w.wantAlive(1)
	w.wantDead(0, epoch.Add(time.Minute))
}

// TestHiddenLeaderIsNoCause: a session that stayed because /proc hid the leader of
// its terminal is reported, when the terminal is gone, without a false cause.
func TestHiddenLeaderIsNoCause(t *testing.T) {
	w := newWorld(t)
	w.put(0, w.login("pts/0", 100)) // no such process
	w.leaders["pts/0"] = session.Evidence{Hidden: true}
	w.scan()
	w.pass(time.Minute)
	w.wantAlive(0)
	w.wantLog("its terminal is still there")
	delete(w.leaders, "pts/0")
	w.pass(time.Minute)
	if len(w.cleaned) != 1 || w.cleaned[0].Found != "" {
		t.Errorf("cleaned %+v, want one job without a cause", w.cleaned)
	}
}

// TestLeaderAfterSuspend: a leader that started after the death is another session's,
// also if the machine slept before anybody looked. The death's age by the clock that
// stands still then is one second; the leader's, by the clock of processes, an hour.
func TestLeaderAfterSuspend(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	w.put(0, w.login("pts/0", 100))
	w.scan()
	w.pass(time.Minute)
	died := w.now.Wall
	w.kill(100, session.Status{})
	w.pass(500 * time.Millisecond)
	w.start(101)
	w.leaders["pts/0"] = w.leader(101, 0)
	w.suspend(time.Hour)
	w.pass(time.Second)
	w.wantDead(0, died)
}
