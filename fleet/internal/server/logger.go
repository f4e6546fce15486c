// SPDX-License-Identifier: BSD-2-Clause

package server

import (
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"time"
)

// logger takes what NATS logs.
type logger struct {
	s *Server

	mu    sync.Mutex
	said  map[string]*saying // by about what
	swept time.Time          // when old ones were removed last
}

// saying is what was logged of one client, or in the same words, since a time.
type saying struct {
	since time.Time
	lines int
	left  int // lines that were left out
}

// Of each client there are so many lines in each time: one that is refused tries again and
// again, and would fill the log.
const (
	linesEach  = 3
	linesEvery = time.Minute
	mostSaid   = 4096 // clients that are told apart
)

func (l *logger) Noticef(f string, v ...any) { l.s.cfg.Log.Debug(fmt.Sprintf(f, v...)) }
func (l *logger) Debugf(string, ...any)      {}
func (l *logger) Tracef(string, ...any)      {}

func (l *logger) Warnf(f string, v ...any) {
	text := fmt.Sprintf(f, v...)
	if more, ok := l.may(text, time.Now()); ok {
		l.s.cfg.Log.Warn(text, more...)
	}
}

func (l *logger) Errorf(f string, v ...any) {
	text := fmt.Sprintf(f, v...)
	if more, ok := l.may(text, time.Now()); ok {
		l.s.cfg.Log.Error(text, more...)
	}
	if storeFailed(text) {
		l.s.fail(fmt.Errorf("%w: %s", ErrStore, text))
	}
}

// may reports whether a text is logged, and with what: how many were left out before.
func (l *logger) may(text string, now time.Time) (more []any, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	about := text
	if first, _, is := strings.Cut(text, " - "); is {
		if host, _, err := net.SplitHostPort(first); err == nil {
			about = host
		}
	}
	s := l.said[about]
	if s == nil && len(l.said) >= mostSaid && !l.sweep(now) {
		about = "" // of all others together
		s = l.said[about]
	}
	if s == nil {
		if l.said == nil {
			l.said = map[string]*saying{}
		}
		s = &saying{since: now}
		l.said[about] = s
	}
	if now.Sub(s.since) >= linesEvery {
		if s.left > 0 {
			more = []any{"left out before", s.left}
		}
		*s = saying{since: now}
	}
	if s.lines++; s.lines > linesEach {
		s.left++
		return nil, false
	}
	return more, true
}

// sweep removes what is old, at most once in a time, and reports whether there is room.
func (l *logger) sweep(now time.Time) bool {
	if now.Sub(l.swept) < linesEvery {
		return false
	}
	l.swept = now
	maps.DeleteFunc(l.said, func(_ string, s *saying) bool { return now.Sub(s.since) >= linesEvery })
	return len(l.said) < mostSaid
}

// storeFailed reports whether NATS says that it can store no more. What it says of a
// connection begins with its address, and has names that its client chose.
func storeFailed(text string) bool {
	store := strings.HasPrefix(text, "JetStream ") || strings.HasPrefix(text, "Filestore ") || strings.HasPrefix(text, "RAFT ")
	text = strings.ToLower(text)
	return store && (strings.Contains(text, "critical write error") || strings.Contains(text, "will be disabled"))
}

func (l *logger) Fatalf(f string, v ...any) {
	err := fmt.Errorf(f, v...)
	l.s.cfg.Log.Error(err.Error())
	l.s.fail(err)
}
