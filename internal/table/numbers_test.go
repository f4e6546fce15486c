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
