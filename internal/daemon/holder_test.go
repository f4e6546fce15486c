// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
)

// TestHolders: the holder of a lock that the system does not name is looked for once a
// minute, and never for long. The loop does not wait for that.
func TestHolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		s := newLogSink(slog.New(slog.NewTextHandler(&out, nil)))
		var looks int
		find := func(ctx context.Context) ([]int32, bool) { return []int32{int32(os.Getpid())}, true }
		s.holders.lockers = func(ctx context.Context, file string) ([]int32, bool) {
			looks++
			return find(ctx)
		}
		says := func(text string) int { synctest.Wait(); return strings.Count(out.String(), text) }
		delayed := session.Delayed{Err: &recfile.LockedError{Name: "/run/utmp"}}
		for range 30 {
			s.report(delayed)
			time.Sleep(10 * time.Second)
		}
		if n := says(`msg="a lock is held by" file=/run/utmp processes="`); n != 5 || looks != 5 {
			t.Errorf("%d looks and %d lines in five minutes", looks, n)
		}
		find = func(context.Context) ([]int32, bool) { return nil, false }
		s.report(delayed)
		if says("cannot see who holds a lock: as root, try fuser -v\" file=/run/utmp") != 1 {
			t.Error(out.String())
		}
		time.Sleep(holdersPeriod)
		find = func(ctx context.Context) ([]int32, bool) { <-ctx.Done(); return nil, false }
		began := time.Now()
		s.report(delayed)
		if time.Since(began) != 0 {
			t.Error("the loop waits for a look")
		}
		time.Sleep(holdersLimit)
		if says("cannot see who holds a lock") != 2 {
			t.Error("a look is not given up")
		}
		time.Sleep(holdersPeriod)
		s.report(session.Delayed{Err: &recfile.LockedError{Name: "/run/utmp", PID: 1 << 30}})
		s.report(delayed)
		if synctest.Wait(); looks != 8 {
			t.Errorf("%d looks, want 8: none for a holder that is known", looks)
		}
		s.close() // ends a look
	})
}
