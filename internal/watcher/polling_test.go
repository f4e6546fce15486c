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
