// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
)

func TestPolling(t *testing.T) {
	k := newWorld()
	k.noPidfds = proc.ErrNoPidfd
	inWorld(t, k, 2, func(r *rig) {
		if _, backend := r.Stats(); backend != "polling" {
			t.Errorf("backend %q, want polling", backend)
		}
		a, b := k.start(7), k.start(8)
		a.Inode, b.Inode = 0, 0
		k.start(9)
		r.watch(7, 8, 9, 10)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: a},
			Event{Kind: Alive, PID: 8, Token: 2, ID: b},
			Event{Kind: Alive, PID: 9, ID: session.ID{PID: 9, Start: 3}},
			Event{Kind: Gone, PID: 10})
		k.exit(7) // no Reaped follows the end of a polled process
		time.Sleep(time.Second)
		r.want(Event{Kind: Exited, PID: 7, Token: 1, ID: a, Reaped: true})
		if watched, _ := r.Stats(); watched != 1 {
			t.Errorf("%d watched, want 1", watched)
		}
		time.Sleep(10 * pollPeriod)
		r.want()
		r.forget(2)
		synctest.Wait()
		k.mu.Lock()
		before := k.polls
		k.mu.Unlock()
		time.Sleep(10 * pollPeriod) // nothing is watched, so nothing is polled
		if k.polls != before {
			t.Errorf("%d polls without a process to watch, want none", k.polls-before)
		}
	})
}

func TestPollingLoggedOnce(t *testing.T) {
	for _, test := range []struct {
		name  string
		later bool // forbidden only after New
	}{
		{"from the start", false},
		{"later", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			k := newWorld()
			if !test.later {
				k.noPidfds = proc.ErrNoPidfd
			}
			synctest.Test(t, func(t *testing.T) {
				w := New(Options{Kernel: k, Limit: 10, Emit: func([]Event) {}, Log: slog.New(slog.NewTextHandler(&out, nil))})
				k.noPidfds = proc.ErrNoPidfd
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go w.Run(ctx)
				k.start(7)
				k.start(8)
				w.Do([]Order{{Op: Watch, PID: 7}, {Op: Watch, PID: 8}})
				synctest.Wait()
				if watched, backend := w.Stats(); watched != 2 || backend != "polling" {
					t.Errorf("%d watched by %q, want 2 by polling", watched, backend)
				}
			})
			if n := strings.Count(out.String(), "pidfds are not available"); n != 1 {
				t.Errorf("logged %d times, want once: %s", n, &out)
			}
		})
	}
}

// hide has /proc hide processes, or show them.
func (k *world) hide(hides bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hides = hides
}

// TestPollingHidden: without pidfds, the pid of a process that /proc hides may have become
// another's. Who asks about that pid then must not be told that it is the first one: its
// end would be the other's.
func TestPollingHidden(t *testing.T) {
	k := newWorld()
	k.noPidfds = proc.ErrNoPidfd
	inWorld(t, k, 10, func(r *rig) {
		wantPolled := func(want int) {
			t.Helper()
			if watched, _ := r.Stats(); watched != want {
				t.Errorf("%d watched, want %d", watched, want)
			}
		}
		first := k.start(7)
		first.Inode = 0
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: first})
		time.Sleep(pollPeriod) // seen once more
		seen := time.Now()
		time.Sleep(pollPeriod / 2)
		k.hide(true)
		k.reap(7, 0)
		second := k.start(7)
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, Token: 2, ID: session.ID{PID: 7}, Unsure: true})
		r.watch(7)
		r.want(Event{Kind: Alive, PID: 7, Token: 2, ID: session.ID{PID: 7}, Unsure: true})
		wantPolled(2)
		time.Sleep(10 * pollPeriod)
		r.want()
		k.hide(false)
		time.Sleep(pollPeriod) // the first has ended, since it was last seen
		r.want(Event{Kind: Exited, PID: 7, Token: 1, ID: first, Reaped: true, Status: session.Status{Known: true}, Since: seen, Hidden: true})
		r.watch(7) // of this one the start is known now
		second.Inode = 0
		r.want(Event{Kind: Alive, PID: 7, Token: 3, ID: second})
		wantPolled(2)
		k.reap(7, 0)
		time.Sleep(pollPeriod)
		r.take()
		wantPolled(0)
	})
}

// TestPollingZombie: a zombie that /proc hides looks alive until it is reaped. Its end lies
// between the moment at which it was last seen and its finding.
func TestPollingZombie(t *testing.T) {
	for _, test := range []struct {
		name   string
		hidden bool // from the start
		shown  bool // before it is reaped
	}{
		{"hidden from the start", true, false},
		{"hidden later", false, false},
		{"hidden for a while", false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newWorld()
			k.noPidfds, k.hides = proc.ErrNoPidfd, test.hidden
			inWorld(t, k, 10, func(r *rig) {
				id := k.start(7)
				id.Inode = 0
				since := time.Now()
				if test.hidden {
					id.Start, since = 0, someTime
				}
				r.watch(7)
				r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: id, Unsure: test.hidden})
				k.hide(true)
				k.exit(7)
				time.Sleep(pollPeriod + pollPeriod/2)
				r.want()
				k.hide(!test.shown)
				if !test.shown {
					k.reap(7, 0)
				}
				time.Sleep(pollPeriod)
				r.want(Event{Kind: Exited, PID: 7, Token: 1, ID: id, Reaped: true, Status: session.Status{Known: !test.shown}, Since: since, Hidden: true})
			})
		})
	}
}
