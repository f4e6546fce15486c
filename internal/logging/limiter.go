// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxKeys bounds the memory of a Limiter; the keys beyond share one.
const maxKeys = 1024

// Limiter lets through so many lines of a kind in a period, so that what others
// send cannot fill the log, and says at the period's end how many it held back.
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
	msg        string // of the last line held back
	timer      *time.Timer
}

// NewLimiter returns a limiter that lets through lines lines of each key in a
// period. It must be closed.
func NewLimiter(log *slog.Logger, lines int, period time.Duration) *Limiter {
	return &Limiter{log: log, lines: lines, period: period, keys: make(map[string]*window)}
}

// Log logs the event, or counts it if key had its lines already, and reports
// which. At the period's end the last message that was held back is logged with
// suppressed=N. It is safe for concurrent use.
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

// end closes a window and tells what it held back.
func (l *Limiter) end(key string, w *window) {
	l.mu.Lock()
	if l.keys[key] != w {
		l.mu.Unlock()
		return
	}
	delete(l.keys, key)
	l.mu.Unlock()
	l.tell(w)
}

func (l *Limiter) tell(w *window) {
	if w.suppressed > 0 {
		l.log.Log(context.Background(), w.level, w.msg, "suppressed", w.suppressed)
	}
}

// Close ends all periods, and with them the counting: what is logged after it
// is let through.
func (l *Limiter) Close() {
	l.mu.Lock()
	keys := l.keys
	l.keys, l.closed = nil, true
	l.mu.Unlock()
	for _, w := range keys {
		w.timer.Stop()
		l.tell(w)
	}
}
