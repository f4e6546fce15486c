// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lineBuffer is a buffer for several goroutines.
type lineBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lineBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns the lines since the last call, without level= and msg=.
func (l *lineBuffer) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for s := range strings.Lines(l.b.String()) {
		_, msg, _ := strings.Cut(strings.TrimSpace(s), "msg=")
		lines = append(lines, msg)
	}
	l.b.Reset()
	return lines
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b lineBuffer
		l := NewLimiter(NewForeground(&b, slog.LevelInfo, true), 2, time.Minute)
		check := func(name string, want ...string) {
			t.Helper()
			if d := cmp.Diff(want, b.take()); d != "" {
				t.Errorf("%s (-want +got)\n%s", name, d)
			}
		}
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		for i := range 10 {
			if got := l.Log(slog.LevelWarn, "pipe", "garbage", "n", i); got != (i < 2) {
				t.Errorf("line %d: %v", i, got)
			}
		}
		l.Log(slog.LevelWarn, "file", "torn")
		l.Log(slog.LevelDebug, "file", "not this loud")
		check("at once", "garbage n=0", "garbage n=1", "torn")
		pass(time.Minute)
		check("at the period's end", "garbage suppressed=8")
		l.Log(slog.LevelWarn, "pipe", "garbage", "n", 10)
		check("a new period", "garbage n=10")
		pass(time.Hour)
		check("nothing was held back")

		for i := range 5 {
			l.Log(slog.LevelWarn, "pipe", "garbage", "n", i)
		}
		b.take()
		l.Close()
		check("closed", "garbage suppressed=3")
		for range 5 {
			l.Log(slog.LevelWarn, "pipe", "after")
		}
		check("after the end", "after", "after", "after", "after", "after")
		l.Close()
		pass(time.Hour)
		check("no more")
	})
}

func TestLimiterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b lineBuffer
		l := NewLimiter(NewForeground(&b, slog.LevelInfo, true), 1, time.Minute)
		defer l.Close()
		for i := range 10 * maxKeys {
			l.Log(slog.LevelInfo, fmt.Sprint(i), "m")
		}
		if n := len(b.take()); n != maxKeys+1 {
			t.Errorf("%d lines, want %d", n, maxKeys+1)
		}
		l.mu.Lock()
		if len(l.keys) != maxKeys+1 {
			t.Errorf("%d keys, want %d", len(l.keys), maxKeys+1)
		}
		l.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if d := cmp.Diff([]string{fmt.Sprintf("m suppressed=%d", 9*maxKeys-1)}, b.take()); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	})
}

// TestGrowingLimiter: what goes on for a day has a few lines, and after a silence the
// first is logged at once again.
func TestGrowingLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b lineBuffer
		l := NewGrowing(NewForeground(&b, slog.LevelInfo, true), 1, 10*time.Second, time.Hour)
		defer l.Close()
		for range 24 * 60 * 60 / 2 {
			l.Log(slog.LevelWarn, "disk", "waits")
			time.Sleep(2 * time.Second)
		}
		lines := b.take()
		if n := len(lines); n < 48 || n > 80 {
			t.Errorf("%d lines a day, want two an hour, and some more at first", n)
		}
		if !l.Log(slog.LevelWarn, "lock", "waits") {
			t.Error("what is new is not logged")
		}
		time.Sleep(3 * time.Hour)
		b.take()
		for i := range 2 {
			if got := l.Log(slog.LevelWarn, "disk", "waits"); got != (i == 0) {
				t.Errorf("after a silence: line %d: %v", i, got)
			}
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if !l.Log(slog.LevelWarn, "disk", "waits") {
			t.Error("the period is not the first one again")
		}
	})
}

// TestBounded: a room that warns by itself is bounded by its messages, and the sum is told.
func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lineBuffer
		l := NewLimiter(slog.New(slog.NewTextHandler(&out, nil)), 2, time.Hour)
		log := l.Bounded().With("room", "a")
		for i := range 5 {
			log.Warn("no room", "watched", i)
			log.Info("news", "n", i)
		}
		log.Error("other")
		want := []string{
			`"no room" room=a watched=0`, `news room=a n=0`, `"no room" room=a watched=1`, `news room=a n=1`,
			`news room=a n=2`, `news room=a n=3`, `news room=a n=4`, `other room=a`,
		}
		if diff := cmp.Diff(want, out.take()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]string{`"no room" suppressed=3`}, out.take()); diff != "" {
			t.Errorf("after the period (-want +got)\n%s", diff)
		}
		log.Warn("no room", "watched", 9)
		log.Warn("no room", "watched", 9)
		log.Warn("no room", "watched", 9)
		out.take()
		l.Close()
		if diff := cmp.Diff([]string{`"no room" suppressed=1`}, out.take()); diff != "" {
			t.Errorf("at the end (-want +got)\n%s", diff)
		}
	})
}
