// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"utmpd.dev/utmpd/internal/logging"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/utmpx"
)

// reporter logs what the table reports.
type reporter struct {
	log     *slog.Logger
	limited *logging.Limiter
	left    *logging.Limiter
}

const (
	// tellEvery bounds how often a clean that waits is told of,
	tellEvery = 10 * time.Second
	// and leftMost, in that time, how many records that are left alone: who may
	// write the utmpx file could fill the log with them.
	leftMost = 100
)

func newReporter(log *slog.Logger) *reporter {
	return &reporter{log, logging.NewLimiter(log, 1, tellEvery), logging.NewLimiter(log, leftMost, tellEvery)}
}

func (p *reporter) close() {
	p.limited.Close()
	p.left.Close()
}

func (p *reporter) report(r table.Report) {
	switch r.Kind {
	case table.Watching:
		p.debug("session watched", r)
	case table.Ended:
		p.log.Info("session ended", ended(r)...)
	case table.WouldEnd:
		p.log.Info("session would be ended (-n)", ended(r)...)
	case table.Dying:
		p.debug("process ended: its owner has GRACE_PERIOD to clean", r)
	case table.Left:
		p.left.Log(slog.LevelInfo, "left", "session left alone", append(who(r.Record), "reason", r.Reason)...)
	case table.Owner:
		p.debug("session ended by its owner", r)
	case table.Unwatched:
		p.unwatched(r.Count)
	case table.Delayed:
		p.limited.Log(slog.LevelWarn, "delayed", "cleaning waits", append([]any{"sessions", r.Count, "error", r.Err}, holder(r.Err)...)...)
	case table.OwedPaid:
		p.log.Info("logouts that had waited are written to the wtmpx file", "logouts", r.Count)
	case table.OwedLost:
		p.log.Error("a logout is lost: too many wait for the wtmpx file", ended(r)...)
	}
}

// debug spares what a line costs that nobody is to read.
func (p *reporter) debug(msg string, r table.Report) {
	if !p.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	args := who(r.Record)
	if !r.End.IsZero() {
		args = append(args, "end", stamp(r.End))
	}
	p.log.Debug(msg, args...)
}

func (p *reporter) unwatched(n int) {
	if n == 0 {
		p.log.Info("every session is watched")
		return
	}
	p.log.Warn("sessions are not watched, and judged at each scan instead: MAX_FDS or the limit of open files is too small", "sessions", n)
}

// who names a session.
func who(r utmpx.Record) []any {
	args := []any{"line", r.Line, "user", r.User}
	if r.Host != "" {
		args = append(args, "host", r.Host)
	}
	return append(args, "pid", r.PID, "login", stamp(r.Time.Time()))
}

// ended tells how and when a session ended, and how well that is known.
func ended(r table.Report) []any {
	args := append(who(r.Record), "end", stamp(r.End), "exit", proc.Status(r.Status).String())
	if !r.After.IsZero() {
		args = append(args, "alive until", stamp(r.After))
	}
	if r.Found != "" {
		args = append(args, "found", r.Found)
	}
	return append(args, "logout", r.Logout.String())
}

func stamp(t time.Time) string { return string(logging.AppendTime(nil, t)) }

// holder names who holds a lock, if the system tells.
func holder(err error) []any {
	var locked *recfile.LockedError
	if !errors.As(err, &locked) || locked.PID <= 0 {
		return nil
	}
	args := []any{"holder", locked.PID}
	info, err := os.Stat(fmt.Sprintf("/proc/%d", locked.PID))
	if err != nil {
		return args
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		uid := strconv.FormatUint(uint64(st.Uid), 10)
		if u, err := user.LookupId(uid); err == nil {
			uid = u.Username
		}
		args = append(args, "user", uid)
	}
	return args
}
