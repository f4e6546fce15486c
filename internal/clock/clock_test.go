// SPDX-License-Identifier: BSD-2-Clause

package clock

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clocks are those of a simulated machine.
type clocks struct {
	mu     sync.Mutex
	off    time.Duration // of the wall clock
	slept  time.Duration // the kernel's count has gone on meanwhile, and so has the wall
	notice func()
	found  []time.Duration
	failed int
}

func (c *clocks) read() Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().Add(c.slept)
	return Reading{Wall: now.Add(c.off).Round(0), Up: now.Sub(time.Unix(0, 0)), Slept: c.slept}
}

func (c *clocks) notices(ctx context.Context, notice func()) error {
	c.mu.Lock()
	c.notice = notice
	c.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (c *clocks) step(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += by
}

func (c *clocks) sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept += d
}

func (c *clocks) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notice()
}

func (c *clocks) stepped(_ context.Context, s Step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = append(c.found, s.By())
}

// run runs a Watch over the clocks, and compares the steps that it finds.
func run(t *testing.T, o Options, c *clocks, live func(w *Watch), want ...time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		o.Read, o.Stepped = c.read, c.stepped
		w := NewWatch(o)
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Run(ctx)
		}()
		synctest.Wait()
		live(w)
		time.Sleep(time.Minute)
		cancel()
		<-done
		if diff := cmp.Diff(want, c.found); diff != "" {
			t.Errorf("steps (-want +got)\n%s", diff)
		}
	})
}

func TestSteps(t *testing.T) {
	tests := []struct {
		name string
		live func(c *clocks, w *Watch)
		want []time.Duration
	}{
		{"forward", func(c *clocks, w *Watch) { c.step(time.Hour); c.tell() }, []time.Duration{time.Hour}},
		{"back", func(c *clocks, w *Watch) { c.step(-time.Hour); c.tell() }, []time.Duration{-time.Hour}},
		{"found by looking", func(c *clocks, w *Watch) { c.step(time.Hour); w.Look() }, []time.Duration{time.Hour}},
		{"not looked", func(c *clocks, w *Watch) { c.step(time.Hour) }, nil},
		{"small", func(c *clocks, w *Watch) { c.step(time.Second); c.tell() }, nil},
		{"small ones add up to nothing", func(c *clocks, w *Watch) {
			for range 5 {
				c.step(time.Second)
				c.tell()
				synctest.Wait()
			}
		}, nil},
		{"told twice", func(c *clocks, w *Watch) {
			c.step(time.Hour)
			c.tell()
			synctest.Wait()
			c.tell()
			w.Look()
		}, []time.Duration{time.Hour}},
		{"two within a second", func(c *clocks, w *Watch) {
			c.step(time.Hour)
			c.tell()
			time.Sleep(time.Second)
			c.step(time.Minute)
			c.tell()
		}, []time.Duration{time.Hour + time.Minute}},
		{"forth and back within a second", func(c *clocks, w *Watch) {
			c.step(time.Hour)
			c.tell()
			time.Sleep(time.Second)
			c.step(-time.Hour)
			c.tell()
		}, nil},
		{"two", func(c *clocks, w *Watch) {
			c.step(time.Hour)
			c.tell()
			time.Sleep(10 * time.Second)
			c.step(-time.Minute)
			c.tell()
		}, []time.Duration{time.Hour, -time.Minute}},
		{"a suspend", func(c *clocks, w *Watch) { c.sleep(8 * time.Hour); c.tell() }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &clocks{}
			run(t, Options{Notices: c.notices}, c, func(w *Watch) { tt.live(c, w) }, tt.want...)
		})
	}
}

// TestSince: a step while nobody looked is found from what was read before.
func TestSince(t *testing.T) {
	c := &clocks{}
	synctest.Test(t, func(t *testing.T) {
		now := c.read()
		for _, tt := range []struct {
			name  string
			since Reading
			want  []time.Duration
		}{
			{"a step", Reading{Wall: now.Wall.Add(-time.Hour), Up: now.Up - time.Minute}, []time.Duration{time.Hour - time.Minute}},
			{"no step", Reading{Wall: now.Wall.Add(-time.Hour), Up: now.Up - time.Hour}, nil},
			{"from another boot", Reading{Wall: now.Wall.Add(-time.Hour), Up: now.Up + time.Hour}, nil},
			{"unknown", Reading{Wall: now.Wall.Add(-time.Hour)}, nil},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			c.found = nil
			w := NewWatch(Options{Read: c.read, Stepped: c.stepped, Since: tt.since})
			var done sync.WaitGroup
			done.Go(func() { w.Run(ctx) })
			time.Sleep(time.Minute)
			cancel()
			done.Wait()
			if diff := cmp.Diff(tt.want, c.found); diff != "" {
				t.Errorf("%s: steps (-want +got)\n%s", tt.name, diff)
			}
		}
	})
}

// TestResumed: a suspend is told once, when it is over.
func TestResumed(t *testing.T) {
	c := &clocks{}
	n := 0
	run(t, Options{Notices: c.notices, Resumed: func() { n++ }}, c, func(*Watch) {
		for _, d := range []time.Duration{time.Hour, time.Second, 0} {
			c.sleep(d)
			c.tell()
			time.Sleep(10 * time.Second)
		}
	})
	if n != 1 {
		t.Errorf("told %d times, want once", n)
	}
}

// TestNoNotices: without notices, steps are found by looking.
func TestNoNotices(t *testing.T) {
	c := &clocks{}
	o := Options{
		Notices: func(context.Context, func()) error { return errors.New("no") },
		Failed:  func(error) { c.mu.Lock(); c.failed++; c.mu.Unlock() },
	}
	run(t, o, c, func(w *Watch) { c.step(time.Hour); w.Look() }, time.Hour)
	if c.failed != 1 {
		t.Errorf("failed %d times", c.failed)
	}
}

// TestEndsInSettling: Run ends at once, and reports nothing more.
func TestEndsInSettling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clocks{}
		ctx, cancel := context.WithCancel(t.Context())
		w := NewWatch(Options{Read: c.read, Stepped: c.stepped})
		var done sync.WaitGroup
		done.Go(func() { w.Run(ctx) })
		synctest.Wait()
		c.step(time.Hour)
		w.Look()
		synctest.Wait()
		cancel()
		done.Wait()
		if len(c.found) != 0 {
			t.Errorf("found %v", c.found)
		}
	})
}

// TestMachine reads this machine's clocks, and waits for a notice that does not come.
func TestMachine(t *testing.T) {
	a, b := Read(), Read()
	if a.Up <= 0 || b.Up < a.Up || b.Slept < 0 || (Step{Old: a.Wall.Add(b.Up - a.Up), New: b.Wall}).By().Abs() > time.Minute {
		t.Errorf("read %+v, then %+v", a, b)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- Notices(ctx, func() {}) }()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("notices: %v", err)
	}
}
