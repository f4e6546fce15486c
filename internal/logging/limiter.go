// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxKeys limits the memory of a Limiter. Further keys share one window.
const maxKeys = 1024

// Limiter limits how many lines of a kind are logged in a period, so that input
// from other programs cannot fill the log. At the end of the period it logs how
// many lines it suppressed.
type Limiter struct {
	log    *slog.Logger
	lines  int
	period time.Duration
	most   time.Duration // of a period; 0: they do not grow

	mu     sync.Mutex
	keys   map[string]*window
	grown  map[string]growth // of keys that have suppressed lines
	closed bool
}

// growth is the next period of a key, unless it is silent for so long.
type growth struct {
	period time.Duration
	ended  time.Time // when the last one was over
}

// window is a period that began with a key's first line.
type window struct {
	lines      int
	suppressed int
	level      slog.Level
	msg        string // of the last suppressed line
	period     time.Duration
	timer      *time.Timer
}

// NewLimiter returns a Limiter that logs at most lines lines of each key in a
// period. It must be closed.
func NewLimiter(log *slog.Logger, lines int, period time.Duration) *Limiter {
	return &Limiter{log: log, lines: lines, period: period, keys: make(map[string]*window)}
}

// NewGrowing returns a Limiter whose period is doubled, up to most, each time that lines of a
// key were suppressed in it: what goes on for days is then logged a few times a day. It must
// be closed.
func NewGrowing(log *slog.Logger, lines int, period, most time.Duration) *Limiter {
	l := NewLimiter(log, lines, period)
	l.most, l.grown = most, make(map[string]growth)
	return l
}

// Log logs the event and returns true, or, if key has reached its limit, counts
// it and returns false. At the end of the period the last suppressed message is
// logged with suppressed=N. Log is safe for concurrent use.
func (l *Limiter) Log(level slog.Level, key, msg string, args ...any) bool {
	ctx := context.Background()
	if !l.log.Enabled(ctx, level) {
		return false
	}
	if !l.allow(level, key, msg) {
		return false
	}
	l.log.Log(ctx, level, msg, args...)
	return true
}

func (l *Limiter) allow(level slog.Level, key, msg string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return true
	}
	w := l.keys[key]
	if w == nil && len(l.keys) >= maxKeys {
		key = ""
		w = l.keys[key]
	}
	if w == nil {
		w = &window{period: l.next(key)}
		w.timer = time.AfterFunc(w.period, func() { l.end(key, w) })
		l.keys[key] = w
	}
	if w.lines < l.lines {
		w.lines++
		return true
	}
	w.suppressed++
	w.level, w.msg = level, msg
	return false
}

// next returns the period of a window that begins.
func (l *Limiter) next(key string) time.Duration {
	g, grown := l.grown[key]
	delete(l.grown, key)
	if !grown || time.Since(g.ended) > g.period {
		return l.period
	}
	return g.period
}

// end closes a window and logs how many lines it suppressed.
func (l *Limiter) end(key string, w *window) {
	l.mu.Lock()
	if l.keys[key] != w {
		l.mu.Unlock()
		return
	}
	delete(l.keys, key)
	if l.most > 0 && w.suppressed > 0 && len(l.grown) < maxKeys {
		l.grown[key] = growth{min(2*w.period, l.most), time.Now()}
	}
	l.mu.Unlock()
	l.report(w)
}

func (l *Limiter) report(w *window) {
	if w.suppressed > 0 {
		l.log.Log(context.Background(), w.level, w.msg, "suppressed", w.suppressed)
	}
}

// Close ends all periods. Lines logged after it are not limited.
func (l *Limiter) Close() {
	l.mu.Lock()
	keys := l.keys
	l.keys, l.closed = nil, true
	l.mu.Unlock()
	for _, w := range keys {
		w.timer.Stop()
		l.report(w)
	}
}
