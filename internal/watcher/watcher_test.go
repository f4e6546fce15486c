// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"context"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
)

func TestWatch(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		id := k.start(7)
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: id})
		r.watch(7) // the token stays
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: id})
		r.wantWatched(1, 1)
		k.exit(7)
		r.want(Event{Kind: Exited, PID: 7, Token: 1, ID: id})
		r.wantWatched(0, 1) // the pidfd stays open until it is reaped or forgotten
		k.reap(7, 9)
		r.want(Event{Kind: Reaped, PID: 7, Token: 1, ID: id, Status: session.Status{Known: true, Wait: 9}})
		r.wantWatched(0, 0)
	})
}

func TestReapedAtOnce(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		id := k.start(7)
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: id})
		k.reap(7, 1<<8)
		r.want(Event{Kind: Exited, PID: 7, Token: 1, ID: id, Reaped: true, Status: session.Status{Known: true, Wait: 1 << 8}})
		r.wantWatched(0, 0)
	})
}

// An end that came before Run was to end is reported: whoever is not is taken for alive.
func TestEndsBeforeTheEnd(t *testing.T) {
	k := newWorld()
	var r *rig
	inWorld(t, k, 10, func(in *rig) {
		r = in
		id := k.start(7)
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: id})
		k.poller.held = true
		k.exit(7)
	})
	if len(r.events) != 1 || r.events[0].Kind != Exited || r.events[0].PID != 7 {
		t.Errorf("at the end: %+v", r.events)
	}
}

func TestForget(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		a, b := k.start(7), k.start(8)
		r.watch(7, 8)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: a},
			Event{Kind: Alive, PID: 8, Token: 2, ID: b})
		r.forget(1)
		r.forget(1)
		r.forget(99)
		r.wantWatched(1, 1)
		k.exit(7)
		k.exit(8)
		r.want(Event{Kind: Exited, PID: 8, Token: 2, ID: b})
		r.forget(2) // a zombie that nobody reaps
		r.wantWatched(0, 0)
		k.reap(8, 0)
		r.want()
		c := k.start(8)
		r.watch(8)
		r.want(Event{Kind: Alive, PID: 8, Token: 3, ID: c})
	})
}

func TestGone(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		id := k.start(7)
		k.exit(7)
		r.watch(7, 8, 0, -5)
		r.want(Event{Kind: Gone, PID: 7, ID: id}, Event{Kind: Gone, PID: 8},
			Event{Kind: Gone, PID: 0}, Event{Kind: Gone, PID: -5})
		r.wantWatched(0, 0)
	})
}

// TestReusedPID checks that a watched pid that another process got, before the
// end of the first was reported, is seen as ended and then as a new process.
func TestReusedPID(t *testing.T) {
	for _, test := range []struct {
		name     string
		noPidfds error
	}{
		{"pidfd", nil},
		{"polling", proc.ErrNoPidfd},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newWorld()
			k.noPidfds = test.noPidfds
			inWorld(t, k, 10, func(r *rig) {
				known := func(id session.ID) session.ID {
					if test.noPidfds != nil {
						id.Inode = 0
					}
					return id
				}
				old := known(k.start(7))
				r.watch(7)
				r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: old})
				k.mu.Lock()
				it := k.living[7]
				it.ended, it.reaped, it.keys = true, true, nil // the poller reports nothing
				k.mu.Unlock()
				id := known(k.start(7))
				r.watch(7)
				var since time.Time
				if test.noPidfds == nil { // the poller has its time, and nobody else knows when it was
					time.Sleep(pollPeriod)
					since = someTime
				}
				r.want(Event{Kind: Exited, PID: 7, Token: 1, ID: old, Reaped: true, Since: since},
					Event{Kind: Alive, PID: 7, Token: 2, ID: id})
			})
		})
	}
}

// TestLate: an end that the poller found late is reported with its bounds. So is one that
// a look found which came late.
func TestLate(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		id := k.start(7)
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: id})
		since := time.Now().Add(-time.Hour)
		k.mu.Lock()
		k.late = since
		k.mu.Unlock()
		k.exit(7)
		r.want(Event{Kind: Exited, PID: 7, Token: 1, ID: id, Since: since})
	})
	l := newLoop()
	w := &Watcher{loop: l}
	began := time.Now()
	w.now = func() time.Time { return began.Add(pollLate) }
	it := &watched{polled: true}
	w.polled[it] = look{at: began}
	if got, hidden := w.sinceLook(it); !got.Equal(began) || hidden {
		t.Errorf("a look that comes late finds what happened since %v, want %v", got, began)
	}
}

func TestLimit(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 2, func(r *rig) {
		a, b, c := k.start(1), k.start(2), k.start(3)
		r.watch(1, 2, 3)
		r.want(Event{Kind: Alive, PID: 1, Token: 1, ID: a},
			Event{Kind: Alive, PID: 2, Token: 2, ID: b},
			Event{Kind: Alive, PID: 3, ID: c})
		r.watch(1, 3) // the limit does not apply to what is watched already
		r.want(Event{Kind: Alive, PID: 1, Token: 1, ID: a},
			Event{Kind: Alive, PID: 3, ID: c})
		r.wantWatched(2, 2)
		r.SetLimit(3)
		r.watch(3)
		r.want(Event{Kind: Alive, PID: 3, Token: 3, ID: c})
		r.SetLimit(0)
		r.watch(1, 2, 3)
		r.want(Event{Kind: Alive, PID: 1, Token: 1, ID: a},
			Event{Kind: Alive, PID: 2, Token: 2, ID: b},
			Event{Kind: Alive, PID: 3, Token: 3, ID: c})
	})
}

func TestNoDescriptorsLeft(t *testing.T) {
	for _, test := range []struct {
		name            string
		openErr, addErr error
		inode           bool
	}{
		{"of the process", syscall.EMFILE, nil, false},
		{"of the system", syscall.ENFILE, nil, false},
		{"no memory", syscall.ENOMEM, nil, false},
		{"epoll's own limit", nil, syscall.ENOSPC, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newWorld()
			k.openErr, k.addErr = test.openErr, test.addErr
			inWorld(t, k, 10, func(r *rig) {
				id := k.start(7)
				if !test.inode {
					id.Inode = 0
				}
				r.watch(7, 8)
				r.want(Event{Kind: Alive, PID: 7, ID: id}, Event{Kind: Gone, PID: 8})
				r.wantWatched(0, 0)
			})
		})
	}
}

// TestUnseen checks that a process that cannot be inspected counts as alive.
func TestUnseen(t *testing.T) {
	k := newWorld()
	k.openErr, k.findErr = syscall.EIO, syscall.EIO
	inWorld(t, k, 10, func(r *rig) {
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, ID: session.ID{PID: 7}})
	})
}

// TestThreadNumber checks that a thread's id, which has no pidfd, is polled.
func TestThreadNumber(t *testing.T) {
	k := newWorld()
	k.openErr = syscall.ENOENT
	inWorld(t, k, 10, func(r *rig) {
		id := k.start(7)
		id.Inode = 0
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: id})
		k.reap(7, 0)
		time.Sleep(pollPeriod)
		r.want(Event{Kind: Exited, PID: 7, Token: 1, ID: id, Reaped: true, Status: session.Status{Known: true}})
	})
}

func TestGather(t *testing.T) {
	k := newWorld()
	k.evidence = []session.Evidence{{Key: 9, Hidden: true}}
	synctest.Test(t, func(t *testing.T) {
		got := make(chan Event, 1)
		w := New(Options{Kernel: k, Emit: func(events []Event) { got <- events[0] }})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.Run(ctx)
		w.Do([]Order{{Op: Gather, Questions: []session.Question{{Key: 9, Line: "pts/3"}}}})
		event := <-got
		if event.Kind != Gathered || len(event.Evidence) != 1 || event.Evidence[0].Key != 9 {
			t.Errorf("%+v, want Gathered with the evidence", event)
		}
	})
}

// TestGatherTogether checks that evidence that is asked for while other evidence is
// gathered takes one pass, however often it is asked for, after all other orders.
func TestGatherTogether(t *testing.T) {
	k := newWorld()
	k.slow = time.Second
	inWorld(t, k, 10, func(r *rig) {
		k.start(7)
		gather := Order{Op: Gather, Questions: []session.Question{{Key: 9}}}
		r.Do([]Order{gather})
		synctest.Wait()
		for range 5 {
			r.Do([]Order{gather, {Op: Watch, PID: 7}})
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		events := r.take()
		var kinds []Kind
		for _, event := range events {
			kinds = append(kinds, event.Kind)
		}
		want := []Kind{Gathered, Alive, Alive, Alive, Alive, Alive, Gathered}
		if diff := cmp.Diff(want, kinds); diff != "" || k.passes != 2 {
			t.Errorf("%d passes, want 2; events (-want +got):\n%s", k.passes, diff)
		}
	})
}

// TestMassDeath checks that of many simultaneous deaths each is reported once,
// Exited first.
func TestMassDeath(t *testing.T) {
	const n = 5000
	k := newWorld()
	inWorld(t, k, n, func(r *rig) {
		var orders []Order
		for pid := int32(1); pid <= n; pid++ {
			k.start(pid)
			orders = append(orders, Order{Op: Watch, PID: pid})
		}
		r.Do(orders)
		r.wantWatched(n, n)
		r.take()
		for pid := int32(1); pid <= n; pid++ {
			k.exit(pid)
			k.reap(pid, 9)
		}
		time.Sleep(time.Second) // longer than ends are gathered
		r.wantWatched(0, 0)
		seen := make(map[int32][]Kind)
		for _, event := range r.take() {
			seen[event.PID] = append(seen[event.PID], event.Kind)
		}
		for pid := int32(1); pid <= n; pid++ {
			if kinds := seen[pid]; len(kinds) == 0 || kinds[0] != Exited || len(kinds) > 2 {
				t.Fatalf("pid %d: %v", pid, kinds)
			}
		}
	})
}

func TestOrderAfterEnd(t *testing.T) {
	k := newWorld()
	k.start(7)
	synctest.Test(t, func(t *testing.T) {
		w := New(Options{Kernel: k, Limit: 10, Emit: func([]Event) { t.Error("an event was emitted") }})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		for range 1000 {
			w.Do([]Order{{Op: Watch, PID: 7}})
		}
		w.SetLimit(3)
		if len(w.orders) != 0 {
			t.Errorf("%d orders are still queued, want none", len(w.orders))
		}
	})
	if k.handles != 0 {
		t.Errorf("%d descriptors left open", k.handles)
	}
}

// TestPollerFails checks that ends are reported once a failing poller works
// again.
func TestPollerFails(t *testing.T) {
	k := newWorld()
	k.start(7)
	synctest.Test(t, func(t *testing.T) {
		exited := make(chan Event, 1)
		w := New(Options{Kernel: k, Limit: 10, Emit: func(batch []Event) {
			for _, event := range batch {
				if event.Kind == Exited {
					exited <- event
				}
			}
		}})
		k.poller.fails = 3
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		w.Do([]Order{{Op: Watch, PID: 7}})
		synctest.Wait()
		k.exit(7)
		began := time.Now()
		select {
		case <-exited:
			if took := time.Since(began); took != 3*pollPeriod {
				t.Errorf("reported after %v, want %v", took, 3*pollPeriod)
			}
		case <-time.After(time.Minute):
			t.Error("the end was not reported within a minute")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestDoNeverBlocks checks that Do does not block while Emit does.
func TestDoNeverBlocks(t *testing.T) {
	k := newWorld()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		answers := 0
		w := New(Options{Kernel: k, Emit: func(events []Event) {
			<-release
			answers += len(events)
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		for range 10_000 {
			w.Do([]Order{{Op: Watch, PID: 7}})
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		cancel()
		<-ended
		if answers != 10_000 {
			t.Errorf("%d answers, want 10000", answers)
		}
	})
}

// TestTimeOfDeath checks that the time of a death is when the kernel reported
// it, not when it was handled.
func TestTimeOfDeath(t *testing.T) {
	k := newWorld()
	k.start(7)
	synctest.Test(t, func(t *testing.T) {
		var events []Event
		w := New(Options{Kernel: k, Limit: 10, Emit: func(batch []Event) {
			events = append(events, batch...)
			time.Sleep(time.Minute) // a busy daemon
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		w.Do([]Order{{Op: Watch, PID: 7}})
		synctest.Wait()
		died := time.Now()
		k.exit(7)
		time.Sleep(3 * time.Minute)
		cancel()
		<-ended
		if last := events[len(events)-1]; last.Kind != Exited || !last.At.Equal(died) {
			t.Errorf("last event %+v, want Exited at %v", last, died)
		}
	})
}

// TestTimesWhileGathering checks that an end has the time at which it came, though
// evidence is being gathered then.
func TestTimesWhileGathering(t *testing.T) {
	k := newWorld()
	k.slow = 10 * time.Second
	inWorld(t, k, 10, func(r *rig) {
		for pid := int32(7); pid <= 9; pid++ {
			k.start(pid)
		}
		r.watch(7, 8, 9)
		r.take()
		r.Do([]Order{{Op: Gather}})
		synctest.Wait()
		r.Do([]Order{{Op: Watch, PID: 9}})
		var want []time.Time
		for pid := int32(7); pid <= 9; pid++ {
			time.Sleep(time.Second)
			k.reap(pid, 0)
			want = append(want, time.Now())
		}
		time.Sleep(k.slow)
		var got []time.Time
		for _, event := range r.take() {
			if event.Kind == Exited {
				got = append(got, event.At)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("times of the ends (-want +got):\n%s", diff)
		}
	})
}
