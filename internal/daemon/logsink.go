// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"utmpd.dev/utmpd/internal/logging"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// logSink logs reports.
type logSink struct {
	log     *slog.Logger
	ends    *endLog
	holders *holders
	delayed *logging.Limiter
	left    *endLog
	toggles *logging.Limiter
	lost    *logging.Limiter
	often   map[owner]int // how often a record was logged as left alone
	since   time.Time     // since then
}

// owner is what stays the same in a record that is written again and again.
type owner struct {
	line string
	pid  int32
}

const (
	// limitPeriod is the time in which one delayed cleaning is logged, more while it lasts,
	limitPeriod = 10 * time.Second
	// and hourPeriod the one in which leftOften lines are logged of one record that is left
	// alone. What changes to and fro is logged toggleMost times in it, and lostMost
	// logouts that are lost.
	hourPeriod = time.Hour
	leftOften  = 3
	toggleMost = 10
	lostMost   = 100
)

func newLogSink(log *slog.Logger) *logSink {
	return &logSink{
		log: log, ends: newEndLog(log, boundsOfEnds), holders: newHolders(log), lost: logging.NewLimiter(log, lostMost, hourPeriod),
		delayed: logging.NewGrowing(log, 1, limitPeriod, hourPeriod), left: newEndLog(log, boundsOfLeft),
		toggles: logging.NewLimiter(log, toggleMost, hourPeriod), often: make(map[owner]int),
	}
}

func (s *logSink) close() {
	s.ends.close()
	s.holders.close()
	s.lost.Close()
	s.delayed.Close()
	s.left.close()
	s.toggles.Close()
}

// leftAlone logs a session that is left alone, unless its record was logged often enough in
// the last hour. Whoever may write the utmpx file could fill the log with such records, and
// push others' out of it: the bounds are those of ends.
func (s *logSink) leftAlone(r session.LeftAlone) {
	if now := time.Now(); now.Sub(s.since) > hourPeriod {
		clear(s.often)
		s.since = now
	}
	who := owner{r.Record.Line, r.Record.PID}
	if s.often[who] >= leftOften {
		s.debug("session left alone", r.Record, time.Time{})
		return
	}
	if s.left.take("session left alone", r.Record, r.Seen) {
		s.log.Info("session left alone", append(recordAttrs(r.Record), "reason", r.Reason)...)
		s.often[who]++ // at most as many keys as there are lines
	}
}

func (s *logSink) report(r session.Report) {
	switch r := r.(type) {
	case session.Watching:
		s.debug("session watched", r.Record, time.Time{})
	case session.Dying:
		s.debug("process ended: its owner has GRACE_PERIOD to clean", r.Record, r.End)
	case session.Ended:
		s.ends.report("session ended", &r.Job, r.Logout.String())
	case session.WouldEnd:
		s.ends.report("session would be ended (-n)", &r.Job, wouldBe(r.Logout))
	case session.LeftAlone:
		s.leftAlone(r)
	case session.EndedByOwner:
		s.debug("session ended by its owner", r.Record, time.Time{})
	case session.Unwatched:
		s.unwatched(r.Sessions)
	case session.Delayed:
		s.delayed.Log(slog.LevelWarn, delayedBy(r.Err), "cleaning waits", append([]any{"sessions", r.Sessions, "error", r.Err}, holderAttrs(r.Err)...)...)
		s.holders.look(r.Err)
	case session.DebtsPaid:
		s.paid(r)
	case session.DebtLost:
		s.lost.Log(slog.LevelError, "lost", "a logout is lost: too many wait for the wtmpx file", endAttrs(r.Debt.Login, r.Debt.End, r.Debt.Status)...)
	}
}

// paid tells what became of logouts that the log has called owed.
func (s *logSink) paid(r session.DebtsPaid) {
	switch {
	case r.Logouts == 0:
		s.log.Info("pending logouts are not needed: the logins are not open", "logouts", r.Closed)
	case r.Closed > 0:
		s.log.Info("pending logouts are written to the wtmpx file", "logouts", r.Logouts, "not open", r.Closed)
	default:
		s.log.Info("pending logouts are written to the wtmpx file", "logouts", r.Logouts)
	}
}

// delayedBy tells locks, which come and go, by the user that holds them, and errors, which
// may stay for days.
func delayedBy(err error) string {
	var locked *recfile.LockedError
	if !errors.As(err, &locked) {
		return "failing"
	}
	return "locked by " + userOf(locked.PID)
}

// debug logs a line about a session, with its end unless that is zero. It costs
// next to nothing where the level is off.
func (s *logSink) debug(msg string, r utmpx.Record, end time.Time) {
	if !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	args := recordAttrs(r)
	if !end.IsZero() {
		args = append(args, "end", formatTime(end))
	}
	s.log.Debug(msg, args...)
}

func (s *logSink) unwatched(sessions int) {
	if sessions == 0 {
		s.toggles.Log(slog.LevelInfo, "watched", "every session is watched")
		return
	}
	s.toggles.Log(slog.LevelWarn, "unwatched", "some sessions are not watched, only checked at each scan: MAX_FDS or the limit of open files is too small", "sessions", sessions)
}

// recordAttrs returns the attributes that name a session.
func recordAttrs(r utmpx.Record) []any {
	args := []any{"line", r.Line, "user", r.User}
	if r.Host != "" {
		args = append(args, "host", r.Host)
	}
	return append(args, "pid", r.PID, "login", formatTime(r.Time.Time()))
}

// endAttrs returns the attributes of a session that ended: when and how.
func endAttrs(r utmpx.Record, end time.Time, status session.Status) []any {
	return append(recordAttrs(r), "end", formatTime(end), "exit", status.String())
}

// jobAttrs returns the attributes of a session that was cleaned: also how well its
// end is known, and what became of its logout.
func jobAttrs(j session.Job, logout string) []any {
	args := endAttrs(j.Record, j.End, j.Status)
	if !j.After.IsZero() {
		args = append(args, "alive until", formatTime(j.After))
	}
	if j.Found != "" {
		args = append(args, "found", j.Found)
	}
	return append(args, "logout", logout)
}

// wouldBe says what -n has not done.
func wouldBe(logout session.Logout) string {
	if logout == session.Appended {
		return "would be written"
	}
	return logout.String()
}

// formatTime returns a time as the log shows it.
func formatTime(t time.Time) string { return string(logging.AppendTime(nil, t)) }
