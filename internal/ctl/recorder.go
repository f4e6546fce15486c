// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/initsystem"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/owndir"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// recorder is the common part of the commands that write records.
type recorder struct {
	in     call
	cfg    config.Config
	wtmpx  *recfile.Log
	bootID string
	dry    bool
	state  error             // why STATE_DIR is not used; nil: it is
	ours   initsystem.Writes // the records that utmpctl has to write; Who is not used
	report report
}

// report is the output of such a command.
type report struct {
	DryRun   bool     `json:"dry_run"`
	System   string   `json:"system,omitempty"`    // what else writes the records
	Last     *ending  `json:"last_boot,omitempty"` // how it ended, if that was not recorded
	Recorded bool     `json:"recorded_before"`     // everything was recorded before this run
	Wrote    []action `json:"wrote"`               // in a dry run: would write
	Notes    []string `json:"notes"`
}

// ending is how a boot ended.
type ending struct {
	End         string    `json:"end"`
	At          time.Time `json:"at"`
	Within      *int64    `json:"within_seconds"` // it ended at most this long after At; null: unknown
	From        string    `json:"from"`
	ClockBehind bool      `json:"clock_behind"`
}

// action is one record that was written.
type action struct {
	Record string `json:"record"`
	File   string `json:"file"`
}

func newRecorder(in call) (*recorder, error) {
	cfg, err := in.settings()
	if err != nil {
		return nil, err
	}
	if err := recfile.Mistaken(cfg.UtmpxFile, cfg.WtmpxFile, recfile.Options{}); err != nil {
		return nil, err
	}
	r := &recorder{in: in, cfg: cfg, dry: in.set["n"], wtmpx: recfile.NewLog(cfg.WtmpxFile, recfile.Options{})}
	r.report = report{DryRun: r.dry, Wrote: []action{}, Notes: []string{}}
	// Whoever may write STATE_DIR could have the boots told otherwise than they were. Whose it
	// is, the service manager may know alone.
	own := owndir.Of(os.Geteuid(), os.Getegid())
	own.AnyUser = true
	if err := own.Check("STATE_DIR", cfg.StateDir); err != nil {
		r.state = fmt.Errorf("%w; it is neither read nor written", err)
	}
	if r.bootID, err = in.on.bootID(); err != nil {
		r.tell(err.Error())
	}
	r.whose()
	return r, nil
}

func (r *recorder) tell(note string) { r.report.Notes = append(r.report.Notes, note) }

func (r *recorder) did(rec utmpx.Record, file string) {
	r.report.Wrote = append(r.report.Wrote, action{Record: rec.String(), File: file})
}

// note reads a note in STATE_DIR and reports a malformed one.
func (r *recorder) note(name string) (heartbeat.Note, bool) {
	if r.state != nil {
		return heartbeat.Note{}, false
	}
	n, err := heartbeat.ReadNote(filepath.Join(r.cfg.StateDir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.tell(err.Error())
	}
	return n, err == nil
}

// leave writes a note of this boot in STATE_DIR; of now if n.Up is 0. If that directory
// is missing, it reports so, and what follows from it, and returns no error.
func (r *recorder) leave(name string, n heartbeat.Note, without string) error {
	if r.dry || r.bootID == "" || r.state != nil {
		return nil
	}
	n.BootID, n.Init = r.bootID, r.in.on.initStart()
	up, slept := r.in.on.up()
	n.Slept = slept
	if n.Up == 0 {
		n.Up = up
	}
	err := heartbeat.WriteNote(filepath.Join(r.cfg.StateDir, name), n)
	if errors.Is(err, fs.ErrNotExist) {
		r.tell(r.cfg.StateDir + " does not exist: " + without)
		return nil
	}
	return err
}

// attempts is how often the log is read again because it has changed.
const attempts = 100

// appendUnlessChanged reads the last boots from the log and appends the records that
// choose returns, but only if nothing was appended meanwhile. Otherwise it starts again.
// So of many concurrent runs one writes, and the others find its records. It returns and
// syncs what was written.
func (r *recorder) appendUnlessChanged(choose func(past) []utmpx.Record) ([]utmpx.Record, error) {
	ctx, cancel := context.WithTimeout(r.in.ctx, r.in.on.patience)
	defer cancel()
	var accessed time.Time
	for i := range attempts {
		p, err := readPast(ctx, logs.New(r.wtmpx.Name(), logs.Options{}))
		if err != nil {
			return nil, err
		}
		if i == 0 {
			accessed = p.accessed // later access times come from this program's own reading
			for _, problem := range p.problems {
				r.tell(problem)
			}
		}
		p.accessed = accessed
		recs := choose(p)
		if len(recs) == 0 || r.dry {
			return recs, nil
		}
		changed := false
		err = r.wtmpx.Locked(ctx, func(log *recfile.LockedLog) error {
			if changed = log.Mark() != p.mark; changed {
				return nil
			}
			return log.Append(recs...)
		})
		if err != nil {
			return nil, err
		}
		if !changed {
			return recs, r.wtmpx.Sync()
		}
	}
	return nil, fmt.Errorf("append to %s: it keeps changing", r.cfg.WtmpxFile)
}

// finish prints the report, also if an error follows.
func (r *recorder) finish(err error) error {
	err = errors.Join(err, r.state)
	if r.in.set["json"] {
		return errors.Join(err, printJSON(r.in.stdout, "  ", r.report))
	}
	would := ""
	var said bytes.Buffer
	if r.dry {
		would = "would write "
	}
	if l := r.report.Last; l != nil {
		fmt.Fprintf(&said, "the last boot %s: %s\n", ended(l.End), l)
	}
	for _, a := range r.report.Wrote {
		fmt.Fprintf(&said, "%s%s: %s\n", would, a.File, a.Record)
	}
	// At a boot the records count, even if this message cannot be written.
	if _, failed := r.in.stdout.Write(said.Bytes()); r.dry && said.Len() > 0 {
		err = errors.Join(err, failed)
	}
	for _, n := range r.report.Notes {
		tell(r.in.stderr, n)
	}
	return err
}

func ended(end string) string {
	if end == "shut down" {
		return "was shut down"
	}
	return end
}

// String formats the time, how exact it is, and its source.
func (e ending) String() string {
	s := localTime(e.At)
	switch {
	case e.Within == nil:
		s += " or later"
	case *e.Within > 0:
		s += fmt.Sprintf(", or up to %d seconds later", *e.Within)
	}
	s += ", according to the " + sources[e.From]
	if e.ClockBehind {
		s += "; the clock is behind that"
	}
	return s
}

var sources = map[string]string{
	"heartbeat":   "heartbeat's note",
	"access-time": "log's access time",
	"last-record": "last record",
	"ledger":      "ledger in STATE_DIR",
}

// localTime formats a time in local time, for people.
func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 -0700") }
