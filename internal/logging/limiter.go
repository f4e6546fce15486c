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

	mu     sync.Mutex
	keys   map[string]*window
	closed bool
}

// window is a period that began with a key's first line.
type window struct {
	lines      int
	suppressed int
	level      slog.Level
	msg        string // of the last suppressed line
	timer      *time.Timer
}

// NewLimiter returns a Limiter that logs at most lines lines of each key in a
// period. It must be closed.
func NewLimiter(log *slog.Logger, lines int, period time.Duration) *Limiter {
	return &Limiter{log: log, lines: lines, period: period, keys: make(map[string]*window)}
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
		w = &window{}
		w.timer = time.AfterFunc(l.period, func() { l.end(key, w) })
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

// end closes a window and logs how many lines it suppressed.
func (l *Limiter) end(key string, w *window) {
	l.mu.Lock()
	if l.keys[key] != w {
		l.mu.Unlock()
		return
	}
	delete(l.keys, key)
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
