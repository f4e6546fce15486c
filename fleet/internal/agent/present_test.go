// SPDX-License-Identifier: BSD-2-Clause

package agent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"utmpd.dev/utmpd/fleet/internal/ask"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/utmpx"
)

// TestManySessions: a host with more sessions than one message has is shown whole, and again
// when most of them have ended.
func TestManySessions(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "web1")
	c, err := ask.New(s.Connect(keys.Reader, "reader"), func(err error) { t.Error(err) })
	check(t, err)
	utmp := filepath.Join(filepath.Dir(h.wtmp), "utmp")
	fill := func(n int) {
		t.Helper()
		var b []byte
		for i := range n {
			b, err = utmpx.Native().AppendEncode(b, utmpx.Record{Type: utmpx.UserProcess, PID: int32(i + 1), Line: fmt.Sprint("pts/", i), ID: "x", User: "alice", Host: "a-host-with-a-long-name.example.org", Time: utmpx.TimeOf(start)})
			check(t, err)
		}
		check(t, os.WriteFile(utmp+".new", b, 0o600))
		check(t, os.Rename(utmp+".new", utmp))
	}
	on := func(n int) func() bool {
		return func() bool {
			hosts, err := c.Who(t.Context(), ask.Filter{})
			check(t, err)
			return len(hosts) == 1 && len(hosts[0].Sessions) == n
		}
	}
	fill(3)
	h.agent(s)
	wait(t, on(3))
	if n := len(s.Stored(wire.On)); n != 1 {
		t.Errorf("%d messages for a few sessions, want 1", n)
	}
	fill(2000)
	wait(t, on(2000))
	if n := len(s.Stored(wire.On)); n != wire.Pieces {
		t.Errorf("%d pieces", n)
	}
	fill(2)
	wait(t, on(2))
}
