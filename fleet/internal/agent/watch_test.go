// SPDX-License-Identifier: BSD-2-Clause

package agent_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"utmpd.dev/utmpd/fleet/internal/agent"
	"utmpd.dev/utmpd/fleet/internal/lab"
)

// TestWatchdog: the agent says that it is well while it sends, and while it waits for the log
// or for the server. Once it is stuck it does not.
func TestWatchdog(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "web1")
	var alive atomic.Int64
	var hang atomic.Bool
	ever := make(chan struct{})
	release := sync.OnceFunc(func() { close(ever) })
	defer release()
	r := h.agent(s, func(c *agent.Config) {
		c.Watchdog, c.Alive = 500*time.Millisecond, func() { alive.Add(1) }
		waiting := c.Waiting
		c.Waiting = func() {
			if waiting(); hang.Load() {
				<-ever
			}
		}
	})
	goesOn := func(what string) {
		t.Helper()
		before := alive.Load()
		for end := time.Now().Add(20 * time.Second); alive.Load() < before+4; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it is not said to be well: %s", what)
			}
		}
	}
	goesOn("it waits for the log")
	s.Kill()
	goesOn("it waits for the server")
	s.Restart()
	h.grow(3)
	h.note()
	h.arrives(s)
	goesOn("it has sent")
	hang.Store(true)
	h.grow(1)
	wait(t, func() bool { return r.log.has("the agent is stuck") })
	before := alive.Load()
	time.Sleep(time.Second) // two of its intervals, in which it must not say it
	if n := alive.Load(); n > before {
		t.Errorf("stuck, it is said to be well")
	}
	release()
	goesOn("it goes on")
	r.stop()
}
