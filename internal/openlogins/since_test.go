// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// TestSince: the logins that came after a place are told, each once, in their order, if
// they are open still.
func TestSince(t *testing.T) {
	in := func(line string, pid int32) utmpx.Record {
		return utmpx.Record{Type: utmpx.UserProcess, Line: line, PID: pid, User: "alice", Time: utmpx.Time{Sec: int64(pid)}}
	}
	l := Of(in("b", 1), in("a", 2), in("c", 3), utmpx.Record{Type: utmpx.DeadProcess, Line: "a", PID: 2})
	since := func(n uint64) (pids []int32, now uint64) {
		logins, now := l.Since(n)
		for _, login := range logins {
			pids = append(pids, login.PID)
		}
		return pids, now
	}
	pids, now := since(0)
	diff(t, "all", []int32{1, 3}, pids)
	l.add(utmpx.Record{Type: utmpx.LoginProcess, Line: "b", PID: 9, User: "LOGIN"})
	pids, now = since(now)
	diff(t, "none", []int32(nil), pids)
	l.nextFile()
	l.add(in("a", 4))
	l.add(in("b", 5))
	pids, now = since(now)
	diff(t, "new ones", []int32{4, 5}, pids)
	pids, _ = since(now)
	diff(t, "each once", []int32(nil), pids)
}
