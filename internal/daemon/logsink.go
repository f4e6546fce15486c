// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"log/slog"
	"time"

	"utmpd.dev/utmpd/internal/logging"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/utmpx"
)

// logSink logs reports.
type logSink struct {
	log     *slog.Logger
	delayed *logging.Limiter
	left    *logging.Limiter
}

const (
	// limitPeriod is the time in which one delayed cleaning is logged,
	limitPeriod = 10 * time.Second
	// and leftMost records that are left alone: whoever may write the utmpx file
	// could fill the log with them.
	leftMost = 100
)

func newLogSink(log *slog.Logger) *logSink {
	return &logSink{log, logging.NewLimiter(log, 1, limitPeriod), logging.NewLimiter(log, leftMost, limitPeriod)}
}

func (s *logSink) close() {
	s.delayed.Close()
	s.left.Close()
}

func (s *logSink) report(r table.Report) {
	switch r.Kind {
	case table.Watching:
		s.debug("session watched", r)
	case table.Ended:
		s.log.Info("session ended", endAttrs(r)...)
	case table.WouldEnd:
		s.log.Info("session would be ended (-n)", endAttrs(r)...)
	case table.Dying:
		s.debug("process ended: its owner has GRACE_PERIOD to clean", r)
	case table.Left:
		s.left.Log(slog.LevelInfo, "left", "session left alone", append(sessionAttrs(r.Record), "reason", r.Reason)...)
	case table.Owner:
		s.debug("session ended by its owner", r)
	case table.Unwatched:
		s.unwatched(r.Count)
	case table.Delayed:
		s.delayed.Log(slog.LevelWarn, "delayed", "cleaning waits", append([]any{"sessions", r.Count, "error", r.Err}, holderAttrs(r.Err)...)...)
	case table.OwedPaid:
		s.log.Info("pending logouts are written to the wtmpx file", "logouts", r.Count)
	case table.OwedLost:
		s.log.Error("a logout is lost: too many wait for the wtmpx file", endAttrs(r)...)
	}
}

// debug logs a line about a session. It costs nothing where the level is off.
func (s *logSink) debug(msg string, r table.Report) {
	if !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	args := sessionAttrs(r.Record)
	if !r.End.IsZero() {
		args = append(args, "end", formatTime(r.End))
	}
	s.log.Debug(msg, args...)
}

func (s *logSink) unwatched(n int) {
	if n == 0 {
		s.log.Info("every session is watched")
		return
	}
	s.log.Warn("some sessions are not watched, only checked at each scan: MAX_FDS or the limit of open files is too small", "sessions", n)
}

// sessionAttrs returns the attributes that name a session.
func sessionAttrs(r utmpx.Record) []any {
	args := []any{"line", r.Line, "user", r.User}
	if r.Host != "" {
		args = append(args, "host", r.Host)
	}
	return append(args, "pid", r.PID, "login", formatTime(r.Time.Time()))
}

// endAttrs returns the attributes of a session that ended: how, when, and how well
// that is known.
func endAttrs(r table.Report) []any {
	args := append(sessionAttrs(r.Record), "end", formatTime(r.End), "exit", session.Status(r.Status).String())
	if !r.After.IsZero() {
		args = append(args, "alive until", formatTime(r.After))
	}
	if r.Found != "" {
		args = append(args, "found", r.Found)
	}
	return append(args, "logout", r.Logout.String())
}

// formatTime returns a time as the log shows it.
func formatTime(t time.Time) string { return string(logging.AppendTime(nil, t)) }
