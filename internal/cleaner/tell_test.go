// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTell: the logins that are open are told once, and all again after a rotation.
func TestTell(t *testing.T) {
	w := newWorld(t)
	type told struct {
		All  bool
		PIDs []int32
	}
	var got []told
	w.c.opts.Opened = func(open OpenLogins) {
		its := told{All: open.All}
		for _, in := range open.Logins {
			its.PIDs = append(its.PIDs, in.PID)
		}
		got = append(got, its)
	}
	look := func(want ...told) {
		t.Helper()
		got = nil
		w.c.tell(t.Context())
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("told (-want +got):\n%s", d)
		}
	}
	w.record(wtmpName, login("pts/0", "alice", 100, start), login("pts/1", "bob", 101, start))
	look(told{true, []int32{100, 101}})
	look()
	w.record(wtmpName, login("ftpd102", "carol", 102, start))
	look(told{false, []int32{102}})
	w.sys.Rename(wtmpName, wtmpName+".1")
	w.sys.WriteFile(wtmpName, nil)
	w.record(wtmpName, login("ftpd103", "carol", 103, start))
	look(told{true, []int32{100, 101, 102, 103}})
	w.sys.Remove(wtmpName)
	look()
}
