// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/cleaner"
	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

func shutdownCommand() command {
	return command{
		name:    "shutdown",
		summary: "record that the system shuts down in a controlled way",
		about: `Run it at the end of every boot, after utmpd has ended and before /var/log is
unmounted. If utmpd still runs, its next heartbeat undoes the note of the
shutdown.`,
		options: []option{dryRunOption, jsonOption, configOption},
		examples: []string{
			"shutdown -n  # what would be recorded",
			"shutdown     # at the end of the system, as its service does",
		},
		run: func(in call) error {
			r, err := newRecorder(in)
			if err != nil {
				return err
			}
			s := &stopping{r}
			return r.finish(errors.Join(s.clean(), s.log(), s.mark()))
		},
	}
}

// stopping is one run of `utmpctl shutdown`.
type stopping struct{ *recorder }

// log appends the record of the shutdown, unless the system writes it or the log already
// has it.
func (s *stopping) log() error {
	if !s.ours.Shutdown {
		return nil
	}
	wrote, err := s.appendUnlessChanged(func(p past) []utmpx.Record {
		if n := len(p.boots); n > 0 && p.boots[n-1].End != boots.Open {
			s.report.Recorded = true
			return nil
		}
		return []utmpx.Record{boots.ShutdownRecord(s.in.on.now(), s.in.on.release())}
	})
	if errors.Is(err, fs.ErrNotExist) {
		s.tell(s.cfg.WtmpxFile + " does not exist: nothing is recorded there")
		return nil
	}
	if recfile.TakesNothing(err) {
		s.tell(fmt.Sprintf("nothing is recorded in the log: %v", err))
		return nil
	}
	for _, r := range wrote {
		s.did(r, s.cfg.WtmpxFile)
	}
	return err
}

// mark sets the state of the heartbeat's note to a controlled end.
func (s *stopping) mark() error {
	return s.leave(heartbeat.NoteFile, heartbeat.Note{Time: s.in.on.now(), State: heartbeat.Shutdown},
		"only the record shows the shutdown")
}

// clean marks the records of sessions whose process has died and appends their logouts,
// as utmpd would if it still ran. In doubt it leaves a record unchanged, because the end
// of the system ends the session anyway.
func (s *stopping) clean() error {
	f := recfile.NewFile(s.cfg.UtmpxFile, recfile.Options{Apart: s.cfg.WtmpxFile})
	snap, err := f.Snapshot(nil)
	if err != nil && !errors.Is(err, recfile.ErrTooLong) {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	jobs := s.dead(snap)
	if len(jobs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.in.ctx, s.in.on.patience)
	defer cancel()
	results := make(chan []session.Result, 1)
	c := cleaner.New(cleaner.Options{
		File: f, Log: openlogins.New(s.wtmpx.Name(), recfile.Options{Apart: s.cfg.UtmpxFile}),
		Gone:   func(pid int32) bool { return !s.in.on.alive(pid) },
		DryRun: s.dry, Logger: slog.New(slog.DiscardHandler),
	})
	c.Clean(jobs, func(rs []session.Result) { results <- rs; cancel() })
	c.Run(ctx)
	select {
	case rs := <-results:
		return s.cleaned(jobs, rs)
	default:
		return fmt.Errorf("clean %s: %w", s.cfg.UtmpxFile, context.Cause(ctx))
	}
}

// dead returns the sessions of a snapshot whose process has ended and whose terminal has
// no session leader.
func (s *stopping) dead(snap *snapshot.Snapshot) []session.Job {
	var jobs []session.Job
	var lines []string
	now := s.in.on.now()
	for slot, r := range snap.All() {
		if r.Type != utmpx.UserProcess || r.PID <= 0 || onDisplay(r) || s.in.on.alive(r.PID) {
			continue
		}
		end := now
		if login := r.Time.Time(); end.Before(login) {
			end = login // the clock was set back
		}
		jobs = append(jobs, session.Job{Generation: snap.Generation(), Slot: slot, Record: r, End: end})
		lines = append(lines, r.Line)
	}
	if len(jobs) == 0 {
		return nil
	}
	n := 0
	for i, led := range s.in.on.led(lines) {
		if !led {
			jobs[n] = jobs[i]
			n++
		}
	}
	return jobs[:n]
}

// onDisplay reports whether a record is one of an X display.
func onDisplay(r utmpx.Record) bool {
	_, ok := session.ParseDisplay(r.Line, r.PID)
	return ok
}

func (s *stopping) cleaned(jobs []session.Job, results []session.Result) error {
	var errs []error
	for i, r := range results {
		switch {
		case r.Err != nil:
			errs = append(errs, r.Err)
		case r.Outcome == session.Done || r.Outcome == session.DryRun:
			s.did(cleaner.Dead(jobs[i].Record, jobs[i].End, utmpx.Exit{}), s.cfg.UtmpxFile)
		}
	}
	return errors.Join(errs...)
}
