package table

import (
	"testing"
	"time"
)

// TestLeaderOfAnotherRecord: who leads the line is another record's process, also
// while that is being asked about once more.
func TestLeaderOfAnotherRecord(t *testing.T) {
	w := newWorld(t)
	w.maxFDs = 1
	w.start(100)
	w.start(200)
	w.put(0, w.login("pts/0", 100))
	w.put(1, w.login("pts/0", 200))
	w.scan()
	w.pass(time.Minute)
	w.kill(100, Status{})
	died := w.now.Wall
	w.now.Mono += time.Second
	if acts := w.table.Handle(w.now, Tick{}); len(acts.FindLeaders) != 1 {
		t.Fatalf("%+v", acts)
	}
	if acts := w.table.Handle(w.now, Requested{PIDs: []int32{200}}); len(acts.Watch) != 1 {
		t.Fatalf("%+v", acts)
	}
	w.handle(Leaders{Lines: map[string]Leader{"pts/0": {Found: true, ID: w.procs[200].id, Age: time.Hour}}})
	w.watch(200)
	w.pass(time.Minute)
	w.wantDead(0, died)
	w.wantAlive(1)
}
