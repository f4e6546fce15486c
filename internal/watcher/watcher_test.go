// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/proc"
)

func TestWatch(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		id := k.start(7)
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: id, Kept: true})
		r.watch(7) // again: the same
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: id, Kept: true})
		r.check(7)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: id, Kept: true})
		r.wantWatched(1, 1)
		k.exit(7)
		r.want(Event{Kind: Exited, PID: 7, Token: 1, ID: id})
		r.wantWatched(0, 1) // until it is reaped or forgotten
		k.reap(7, 9)
		r.want(Event{Kind: Reaped, PID: 7, Token: 1, ID: id, Status: proc.Status{Known: true, Wait: 9}})
		r.wantWatched(0, 0)
	})
}

func TestReapedAtOnce(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		id := k.start(7)
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: id, Kept: true})
		k.reap(7, 1<<8)
		r.want(Event{Kind: Exited, PID: 7, Token: 1, ID: id, Reaped: true, Status: proc.Status{Known: true, Wait: 1 << 8}})
		r.wantWatched(0, 0)
	})
}

func TestForget(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		a, b := k.start(7), k.start(8)
		r.watch(7, 8)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: a, Kept: true},
			Event{Kind: Alive, PID: 8, Token: 2, ID: b, Kept: true})
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
		r.want(Event{Kind: Alive, PID: 8, Token: 3, ID: c, Kept: true})
	})
}

func TestGone(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		id := k.start(7)
		k.exit(7)
		r.watch(7, 8, 0, -5)
		r.check(7, 8)
		r.want(Event{Kind: Gone, PID: 7, ID: id}, Event{Kind: Gone, PID: 8},
			Event{Kind: Gone, PID: 0}, Event{Kind: Gone, PID: -5},
			Event{Kind: Gone, PID: 7, ID: id}, Event{Kind: Gone, PID: 8})
		r.wantWatched(0, 0)
	})
}

func TestCheckKeepsNothing(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		id := k.start(7)
		r.check(7)
		r.want(Event{Kind: Alive, PID: 7, ID: id})
		r.wantWatched(0, 0)
	})
}

// The pid of a process watched has passed on before its end was told.
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
				known := func(id proc.ID) proc.ID {
					if test.noPidfds != nil {
						id.Inode = 0
					}
					return id
				}
				old := known(k.start(7))
				r.watch(7)
				r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: old, Kept: true})
				k.mu.Lock()
				it := k.living[7]
				it.ended, it.reaped, it.keys = true, true, nil // nothing told
				k.mu.Unlock()
				id := known(k.start(7))
				r.watch(7)
				r.want(Event{Kind: Exited, PID: 7, Token: 1, ID: old, Reaped: true},
					Event{Kind: Alive, PID: 7, Token: 2, ID: id, Kept: true})
			})
		})
	}
}

func TestLimit(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 2, func(r *rig) {
		a, b, c := k.start(1), k.start(2), k.start(3)
		r.watch(1, 2, 3)
		r.want(Event{Kind: Alive, PID: 1, Token: 1, ID: a, Kept: true},
			Event{Kind: Alive, PID: 2, Token: 2, ID: b, Kept: true},
			Event{Kind: Alive, PID: 3, ID: c})
		r.watch(1, 3) // what is watched stays so
		r.want(Event{Kind: Alive, PID: 1, Token: 1, ID: a, Kept: true},
			Event{Kind: Alive, PID: 3, ID: c})
		r.wantWatched(2, 2)
		r.SetLimit(3)
		r.watch(3)
		r.want(Event{Kind: Alive, PID: 3, Token: 3, ID: c, Kept: true})
		r.SetLimit(0)
		r.watch(1, 2, 3)
		r.want(Event{Kind: Alive, PID: 1, Token: 1, ID: a, Kept: true},
			Event{Kind: Alive, PID: 2, Token: 2, ID: b, Kept: true},
			Event{Kind: Alive, PID: 3, Token: 3, ID: c, Kept: true})
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

// What cannot be seen is not taken for dead.
func TestUnseen(t *testing.T) {
	k := newWorld()
	k.openErr, k.findErr = syscall.EIO, syscall.EIO
	inWorld(t, k, 10, func(r *rig) {
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, ID: proc.ID{PID: 7}})
	})
}

// The number of a thread has no pidfd, but its end can be seen.
func TestThreadNumber(t *testing.T) {
	k := newWorld()
	k.openErr = syscall.ENOENT
	inWorld(t, k, 10, func(r *rig) {
		id := k.start(7)
		id.Inode = 0
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: id, Kept: true})
		k.reap(7, 0)
		time.Sleep(pollPeriod)
		r.want(Event{Kind: Exited, PID: 7, Token: 1, ID: id, Reaped: true, Status: proc.Status{Known: true}})
	})
}

func TestLeaders(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
	}{
		{"all seen", nil},
		{"/proc unreadable", errors.New("no /proc")},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newWorld()
			k.findErr = test.err
			k.leaders = map[string]proc.Leader{"pts/3": {Exists: true}}
			synctest.Test(t, func(t *testing.T) {
				got := make(chan Event, 1)
				w := New(Options{Kernel: k, Emit: func(events []Event) { got <- events[0] }})
				ctx, cancel := contextWithCancel(t)
				defer cancel()
				go w.Run(ctx)
				w.Do([]Order{{Op: FindLeaders, Lines: []string{"pts/3"}}})
				event := <-got
				if event.Kind != Leaders || !event.Leaders["pts/3"].Exists || event.Err != test.err {
					t.Errorf("%+v", event)
				}
			})
		})
	}
}

// Many deaths come in few events' batches, each told once, in order.
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
		time.Sleep(time.Second) // ends that come thick and fast are gathered
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
		w := New(Options{Kernel: k, Limit: 10, Emit: func([]Event) { t.Error("told something") }})
		ctx, cancel := contextWithCancel(t)
		cancel()
		if err := w.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		for range 1000 {
			w.Do([]Order{{Op: Watch, PID: 7}})
		}
		w.SetLimit(3)
		if len(w.orders) != 0 {
			t.Errorf("%d orders kept", len(w.orders))
		}
	})
	if k.handles != 0 {
		t.Errorf("%d descriptors left open", k.handles)
	}
}

// A poller that fails for a while tells later of what ended meanwhile.
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
		ctx, cancel := contextWithCancel(t)
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		w.Do([]Order{{Op: Watch, PID: 7}})
		synctest.Wait()
		k.exit(7)
		began := time.Now()
		select {
		case <-exited:
			if took := time.Since(began); took != 3*pollPeriod {
				t.Errorf("told after %v", took)
			}
		case <-time.After(time.Minute):
			t.Error("the end is not told")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// Orders never wait, though nobody takes the events.
func TestDoNeverBlocks(t *testing.T) {
	k := newWorld()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		answers := 0
		w := New(Options{Kernel: k, Emit: func(events []Event) {
			<-release
			answers += len(events)
		}})
		ctx, cancel := contextWithCancel(t)
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
			t.Errorf("%d answers", answers)
		}
	})
}

// The time of a death is when the kernel told of it, not when there was time
// to handle it.
func TestTimeOfDeath(t *testing.T) {
	k := newWorld()
	k.start(7)
	synctest.Test(t, func(t *testing.T) {
		var events []Event
		w := New(Options{Kernel: k, Limit: 10, Emit: func(batch []Event) {
			events = append(events, batch...)
			time.Sleep(time.Minute) // a daemon that is busy
		}})
		ctx, cancel := contextWithCancel(t)
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
			t.Errorf("%+v, want At %v", last, died)
		}
	})
}
