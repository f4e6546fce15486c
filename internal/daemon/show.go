// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/receiver"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/status"
	"utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/internal/version"
)

// startLine tells at the start what utmpd works on, and what it cannot do.
func (d *daemon) startLine() {
	c := d.table.Counts()
	args := []any{"version", version.String(), "utmpx", d.cfg.UtmpxFile, "wtmpx", d.cfg.WtmpxFile,
		"layout", d.layout(), "watched", c.Watched, "unwatched", c.Unwatched, "backend", d.backend()}
	if d.pipe != nil {
		args = append(args, "pipe", d.cfg.PipeFile)
	}
	if d.flags.dryRun {
		args = append(args, "writes", "nothing (-n)")
	}
	if missing := d.on.missing(d.cfg, d.flags.dryRun); missing != nil {
		args = append(args, "missing", strings.Join(missing, "; "))
	}
	d.log.Info("utmpd started", args...)
}

func (d *daemon) layout() string {
	l, err := d.file.Layout()
	if err != nil {
		return "unknown yet"
	}
	return l.Name()
}

func (d *daemon) backend() string {
	_, backend := d.watcher.Stats()
	return backend
}

// shown is what the status is made of. The loop compares it in every round, and
// writes it out only if it differs.
type shown struct {
	what                      string
	counts                    table.Counts
	backend, scanErr          string
	lastScan, beat, lastClean time.Time
	requests                  receiver.Stats
}

// showStatus says how things are: RUN_DIR/status, and STATUS= under systemd.
func (d *daemon) showStatus(what string) {
	now := shown{
		what: what, counts: d.table.Counts(), backend: d.backend(), scanErr: d.scanErr,
		lastScan: d.lastScan, lastClean: d.lastClean,
	}
	now.beat, _ = d.heart.Last()
	if d.pipe != nil {
		now.requests = d.pipe.Stats()
	}
	if now != d.shown {
		d.shown = now
		d.status.Set(func() []status.Pair { return d.pairs(now) })
	}
}

func (d *daemon) pairs(s shown) []status.Pair {
	c := s.counts
	pairs := []status.Pair{
		{Key: "state", Value: s.what},
		{Key: "pid", Value: strconv.Itoa(os.Getpid())},
		{Key: "version", Value: version.String()},
		{Key: "started", Value: stamp(d.started)},
		{Key: "utmpx", Value: d.cfg.UtmpxFile},
		{Key: "wtmpx", Value: d.cfg.WtmpxFile},
		{Key: "sessions", Value: strconv.Itoa(c.Sessions)},
		{Key: "watched", Value: strconv.Itoa(c.Watched)},
		{Key: "unwatched", Value: strconv.Itoa(c.Unwatched)},
		{Key: "dying", Value: strconv.Itoa(c.Dying)},
		{Key: "cleaned", Value: strconv.Itoa(c.Cleaned)},
		{Key: "logouts owed", Value: strconv.Itoa(c.Owed)},
		{Key: "backend", Value: s.backend},
		{Key: "last scan", Value: when(s.lastScan)},
		{Key: "last heartbeat", Value: when(s.beat)},
		{Key: "last clean", Value: when(s.lastClean)},
	}
	if d.pipe != nil {
		bad := s.requests.BadCommands + s.requests.BadPIDs + s.requests.Partials
		pairs = append(pairs,
			status.Pair{Key: "requests", Value: strconv.FormatUint(s.requests.Requests, 10)},
			status.Pair{Key: "bad requests", Value: strconv.FormatUint(bad, 10)})
	}
	if s.scanErr != "" {
		pairs = append(pairs, status.Pair{Key: "utmpx error", Value: s.scanErr})
	}
	return pairs
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return stamp(t)
}

// writeStatus is called by the status room, at most once a second.
func (d *daemon) writeStatus(pairs []status.Pair) error {
	get := func(key string) string {
		for _, p := range pairs {
			if p.Key == key {
				return p.Value
			}
		}
		return ""
	}
	_ = d.systemd.Status(fmt.Sprintf("%s watched, %s not, %s cleaned; last scan %s",
		get("watched"), get("unwatched"), get("cleaned"), get("last scan")))
	if d.cfg.RunDir == "" {
		return nil
	}
	return status.Write(d.statusFile(), pairs)
}

// saver writes the table for a later run, away from the loop, which must not
// wait for a disk.
type saver struct {
	to   store
	log  *slog.Logger
	next chan saving // holds the newest
	last time.Time   // of the loop: when it last gave one
	bad  bool
}

func newSaver(to store, log *slog.Logger) *saver {
	return &saver{to: to, log: log, next: make(chan saving, 1)}
}

// pause returns how long the loop should wait before it gives the next state.
func (s *saver) pause(every time.Duration) time.Duration {
	return max(0, every-time.Since(s.last))
}

// saving is a state to be saved, and what waits for it.
type saving struct {
	st   state.State
	then []func()
}

// give has a state saved, and then, whether that worked or not, calls then. It
// does not block.
func (s *saver) give(st state.State, then ...func()) {
	s.last = time.Now()
	select {
	case old := <-s.next: // not yet taken
		then = append(old.then, then...)
	default:
	}
	s.next <- saving{st, then}
}

func (s *saver) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case next := <-s.next:
			s.save(next.st)
			for _, f := range next.then {
				f()
			}
		}
	}
}

func (s *saver) save(st state.State) {
	err := s.to.Save(st)
	if err != nil && !s.bad {
		s.log.Warn("the table is not saved: a restart will know no processes", "error", err)
	}
	s.bad = err != nil
}

// missingRights names what this process may not do that it should.
func missingRights(cfg config.Config, dryRun bool) []string {
	var missing []string
	add := func(err error, text string) {
		if err != nil {
			missing = append(missing, text)
		}
	}
	if !dryRun {
		add(writable(cfg.UtmpxFile), "write "+cfg.UtmpxFile)
		add(writable(cfg.WtmpxFile), "write "+cfg.WtmpxFile)
		add(ownerOf(cfg.WtmpxFile), "set the access time of "+cfg.WtmpxFile+" (owner or CAP_FOWNER)")
	}
	return append(missing, notTold()...)
}
