// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"runtime/debug"
	"sync"
	"testing"
	"testing/synctest"
)

// slowCollector is a collector that a test can hold while it collects: until
// hold is closed, unless that is nil.
type slowCollector struct {
	hold chan struct{}

	mu          sync.Mutex
	percent     int
	limit       int64
	used        int64
	collections int
	sets        int
}

func (c *slowCollector) collect() {
	c.mu.Lock()
	c.collections++
	hold := c.hold
	c.mu.Unlock()
	if hold != nil {
		<-hold
	}
}

func (c *slowCollector) inUse() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

func (c *slowCollector) set(percent int, limit int64) (int, int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	oldPercent, oldLimit := c.percent, c.limit
	c.percent, c.limit = percent, limit
	c.sets++
	return oldPercent, oldLimit
}

// settings returns GOGC and how often memory was collected.
func (c *slowCollector) settings() (percent, collections int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.percent, c.collections
}

const atWork = 123 // GOGC while the daemon works

// runMemory runs a memory until the test ends.
func runMemory(t *testing.T, c collector) *memory {
	m := newMemory(c)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { m.run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return m
}

// TestWorkDoesNotWaitForCollector: work returns while a collection runs, and
// ends the rest that the collection was for.
func TestWorkDoesNotWaitForCollector(t *testing.T) {
	tests := []struct {
		name    string
		resting bool // before the collection
	}{
		{"first rest", false},
		{"a rest goes on", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &slowCollector{percent: atWork}
				m := runMemory(t, c)
				want := 1
				if tt.resting {
					m.rest()
					synctest.Wait()
					c.used += restSpare
					want++
				}
				c.hold = make(chan struct{})
				m.rest()
				synctest.Wait()
				if _, n := c.settings(); n != want {
					t.Fatalf("%d collections before work, want %d", n, want)
				}
				m.work() // would hang here
				close(c.hold)
				synctest.Wait()
				if p, _ := c.settings(); p != atWork {
					t.Errorf("at work GOGC is %d, want %d", p, atWork)
				}
				if !tt.resting && c.sets != 0 {
					t.Errorf("a rest that work overtook changed the settings %d times", c.sets)
				}
			})
		})
	}
}

// TestLateRest: a rest whose turn comes after the work that ended it does nothing.
func TestLateRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &slowCollector{percent: atWork}
		m := newMemory(c)
		m.rest()
		m.work()
		ctx, stop := context.WithCancel(t.Context())
		go m.run(ctx)
		defer stop()
		synctest.Wait()
		if p, n := c.settings(); p != atWork || n != 0 {
			t.Errorf("GOGC %d after %d collections, want %d after none", p, n, atWork)
		}
	})
}

// TestRestAgain: a rest collects again only after restSpare was allocated, whether it goes
// on or begins, and work brings back the settings of before the first.
func TestRestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &slowCollector{percent: atWork, used: 1 << 20}
		m := runMemory(t, c)
		want := func(when string, percent, collections int) {
			t.Helper()
			synctest.Wait()
			if p, n := c.settings(); p != percent || n != collections {
				t.Errorf("%s: GOGC %d after %d collections, want %d after %d", when, p, n, percent, collections)
			}
		}
		m.work()
		want("work at the start", atWork, 0)
		m.rest()
		want("rest", -1, 1)
		c.used += restSpare - 1
		m.rest()
		want("little allocated", -1, 1)
		c.used++
		m.rest()
		want("much allocated", -1, 2)
		m.work()
		want("work", atWork, 2)
		m.rest()
		want("rest again", -1, 2)
		m.work()
		want("work again", atWork, 2)
		c.used += restSpare
		m.rest()
		want("rest after much work", -1, 3)
	})
}

// TestGoCollector: the settings reach Go's own collector.
func TestGoCollector(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(atWork))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	var c goCollector
	c.collect()
	limit := c.inUse() + restMost
	if limit <= restMost {
		t.Errorf("%d bytes in use", limit-restMost)
	}
	if p, _ := c.set(-1, limit); p != atWork {
		t.Errorf("GOGC was %d, want %d", p, atWork)
	}
	if p, l := c.set(atWork, limit); p != -1 || l != limit {
		t.Errorf("GOGC was %d with a limit of %d, want -1 with %d", p, l, limit)
	}
}
