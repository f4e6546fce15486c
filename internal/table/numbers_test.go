// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/session"
)

// TestNumbers: of a session that was there when the numbers of other pid namespaces were
// gathered nobody asks again, unless one of them was its own.
func TestNumbers(t *testing.T) {
	w := newWorld(t)
	w.numbers = &session.Numbers{30, 40}
	login := func(slot int, pid int32) {
		w.start(pid)
		w.put(slot, w.login(fmt.Sprintf("ftpd%d", pid), pid))
		w.scan()
		w.pass(time.Minute)
	}
	for slot, pid := range []int32{20, 10, 30} {
		login(slot, pid)
	}
	for _, step := range []struct {
		pid  int32
		asks bool
		why  string
	}{
		{10, true, "nothing is known yet"},
		{20, false, "none had its number"},
		{30, true, "one had its number"},
		{50, true, "it began after the numbers were gathered"},
		{60, false, "it began before the last time"},
		{70, true, "they cannot be gathered"},
		{80, true, "they could not be gathered"},
	} {
		switch step.pid {
		case 50:
			login(3, 50)
			login(4, 60)
		case 70:
			login(5, 70)
			login(6, 80)
			w.numbers = nil
		}
		w.numbered = nil
		w.kill(step.pid, session.Status{})
		w.pass(time.Minute)
		var want []int32
		if step.asks {
			want = []int32{step.pid}
		}
		if diff := cmp.Diff(want, w.numbered); diff != "" {
			t.Errorf("pid %d, %s: numbers asked for (-want +got):\n%s", step.pid, step.why, diff)
		}
		w.wantDead(map[int32]int{20: 0, 10: 1, 30: 2, 50: 3, 60: 4, 70: 5, 80: 6}[step.pid], w.now.Wall.Add(-time.Minute))
	}
}

// TestNumbersAtStart: the numbers are gathered once before anybody dies, if a session was not
// seen to lead its line.
func TestNumbersAtStart(t *testing.T) {
	w := newWorld(t)
	w.numbers = &session.Numbers{}
	w.start(10)
	w.sights[10] = session.Sighting{Leader: w.procs[10].id}
	w.put(0, w.login("pts/0", 10))
	w.scan()
	w.pass(time.Minute)
	if len(w.numbered) > 0 {
		t.Errorf("asked for %v, though the session leads its line", w.numbered)
	}
	for slot, pid := range []int32{20, 30} {
		w.start(pid)
		w.put(1+slot, w.login(fmt.Sprintf("ftpd%d", pid), pid))
		w.scan()
		w.pass(time.Minute)
	}
	w.kill(20, session.Status{})
	w.pass(time.Minute)
	if diff := cmp.Diff([]int32{noPID}, w.numbered); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	w.wantDead(1, w.now.Wall.Add(-time.Minute))
}

// namesakeOf starts a process that has another number in its own pid namespace.
func (w *world) namesakeOf(number, pid int32, foreign bool) {
	w.start(pid)
	w.namesakes[number] = []session.Candidate{{ID: w.procs[pid].id, Foreign: foreign}}
}

// TestNumberAfterRestart: a login that has lost its record and lives by a leader asks for the
// number of its record, not for the leader's, also after a restart.
func TestNumberAfterRestart(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	w.namesakeOf(100, 500, false) // the session's own, in a container
	r := w.login("pts/0", 100)
	w.put(0, r)
	w.scan()
	w.pass(time.Minute)
	w.start(101)
	w.leaders["pts/0"] = w.leader(101, time.Second)
	w.procs[101].id = w.leaders["pts/0"].Leaders[0].ID
	w.mark(r)
	w.kill(100, session.Status{})
	w.pass(time.Hour)
	w.wantUnpaid()
	w.restart()
	w.scan()
	w.pass(time.Minute)
	delete(w.leaders, "pts/0")
	w.kill(101, session.Status{})
	w.pass(time.Minute)
	w.wantUnpaid()
}

// TestNumbersOfLaterRecord: a later record of the same line, user and pid is taken up by a wait
// of before. What was gathered between the two tells nothing of it.
func TestNumbersOfLaterRecord(t *testing.T) {
	w := newWorld(t)
	w.numbers = &session.Numbers{}
	w.start(20) // the host's
	r := w.login("ftpd20", 20)
	w.put(0, r)
	w.start(21)
	w.put(1, w.login("ftpd21", 21))
	w.scan()
	w.pass(time.Minute)
	w.mark(r) // lost its record; its process in a container has ended
	w.start(22)
	w.put(2, w.login("ftpd22", 22))
	w.scan()
	w.pass(time.Minute)
	w.kill(22, session.Status{}) // a pass: nobody has 20
	w.pass(time.Minute)
	w.wantDead(2, w.now.Wall.Add(-time.Minute))
	w.namesakeOf(20, 500, false) // the next one in the container has that number
	w.numbers = &session.Numbers{20}
	r2 := w.login("ftpd20", 20)
	w.put(0, r2)
	w.scan()
	w.pass(time.Minute)
	w.mark(r2)
	w.pass(time.Minute)
	w.kill(20, session.Status{}) // the host's
	w.pass(time.Minute)
	w.wantUnpaid()
}

// TestHeldAndExcluded: a session that was held by a process of another user namespace ends with
// its own process, also if nothing is asked once that one has ended.
func TestHeldAndExcluded(t *testing.T) {
	for _, seen := range []bool{true, false} {
		t.Run(fmt.Sprintf("seen %v", seen), func(t *testing.T) { heldAndExcluded(t, seen) })
	}
}

func heldAndExcluded(t *testing.T, seen bool) {
	w := newWorld(t)
	w.table.Handle(w.now, Configured{Settings{Grace: time.Second}})
	w.numbers = &session.Numbers{20}
	if seen {
		w.start(20)
	}
	w.namesakeOf(20, 500, true)
	w.put(0, w.login("ftpd20", 20))
	w.scan()
	w.pass(time.Minute)
	died := w.now.Wall
	if seen {
		w.kill(20, session.Status{})
	}
	w.pass(time.Hour)
	w.wantAlive(0)
	w.start(30)
	w.put(1, w.login("ftpd30", 30))
	w.scan()
	w.pass(time.Minute)
	w.kill(30, session.Status{})
	w.pass(time.Second / 2)
	delete(w.namesakes, 20)
	w.numbers = &session.Numbers{}
	w.kill(500, session.Status{})
	w.pass(time.Minute)
	if seen {
		w.wantDead(0, died)
	} else {
		w.wantAlive(0)
	}
}

// TestNumbersWithoutTime: the next process with a number may write the same record again if
// that has no time.
func TestNumbersWithoutTime(t *testing.T) {
	w := newWorld(t)
	w.numbers = &session.Numbers{}
	w.start(20) // the host's
	r := w.login("ftpd20", 20)
	r.Time.Sec, r.Time.Usec = 0, 0
	w.put(0, r)
	w.scan()
	w.pass(time.Minute) // numbers: nobody has 20, the container is restarting
	w.namesakeOf(20, 500, false)
	w.numbers = &session.Numbers{20}
	w.put(0, r) // byte for byte the same
	w.scan()
	w.pass(time.Minute)
	w.kill(20, session.Status{})
	w.pass(time.Minute)
	w.wantAlive(0)
}
