// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// sessionLog reads the sessions of this machine's log, or of the files that a command
// names.
type sessionLog struct {
	in           call
	since, until time.Time // sessions that were surely off then may be left out
	ledger       []boots.Past
	own          *recorder // whose ledger it is
	ended        time.Time // the end of the system that was compared last
	differ       []string  // where log and ledger differ
	back         *sessions.Backward
	damage       damages
	failed       bool // something else could not be read
	now          *nowOn
	db           *database // nil: wtmpdb has none, or named files are read
}

// all yields the sessions, newest first, and reads no further than the caller wants, or
// than to the last that can have been on at since. A session is overwritten once the loop
// goes on. What cannot be read is told at once, but for damage: see err.
func (l *sessionLog) all() iter.Seq[*sessions.Session] {
	return func(yield func(*sessions.Session) bool) {
		stopped := false
		wants := func(s *sessions.Session) bool {
			stopped = !yield(s)
			return !stopped
		}
		l.logged(wants)
		if !stopped && l.db != nil {
			l.db.rest(l.back.Done(), wants)
		}
	}
}

// logged yields the sessions of the log, and those of wtmpdb that are newer than its oldest.
func (l *sessionLog) logged(yield func(*sessions.Session) bool) {
	for r, err := range l.rows() {
		if err != nil {
			if !l.damage.add(err) {
				l.trouble(err)
			} else {
				l.back.Damage()
			}
			continue
		}
		if !l.row(r, yield) {
			return
		}
	}
}

// row yields the sessions that begin in some records, and reports whether to go on.
func (l *sessionLog) row(r logs.Rows, yield func(*sessions.Session) bool) bool {
	size := r.Layout.Size()
	for n := len(r.Bytes); n > 0; n -= size {
		s := l.back.AddRaw(r.Layout, r.Bytes[n-size:n])
		if s == nil {
			if l.back.Done() {
				return false
			}
			continue
		}
		l.compare(s)
		if l.db != nil && !l.db.before(s, l.inside, yield) {
			return false
		}
		if !yield(s) {
			return false
		}
	}
	return true
}

// inside reports whether a session of wtmpdb began on the line of one whose end the log has
// told, or that is on now, and whose login is still to come.
func (l *sessionLog) inside(s *sessions.Session) bool {
	if l.back.Awaits(s.Login.Line) {
		return true
	}
	on, ok := l.now.lines[s.Login.Line]
	return ok && on.Time.Time().Before(s.From) && on.User != s.Login.User
}

// differMost is of how many boots a difference is told: more are no accident.
const differMost = 100

// compare takes the end of a session from the ledger if the log does not tell it, and notes
// where the two differ.
func (l *sessionLog) compare(s *sessions.Session) {
	if len(l.ledger) == 0 || s.End != sessions.Crash && s.End != sessions.Shutdown {
		return
	}
	if s.End == sessions.Crash {
		s.Amend(l.ledger)
	}
	if s.To.Equal(l.ended) {
		return // of another session of that boot
	}
	l.ended = s.To
	if p, differs := s.Differs(l.ledger); differs {
		end := boots.Crashed
		if s.End == sessions.Shutdown {
			end = boots.ShutDown
		}
		text := l.own.differ(p.From, end, s.To, p)
		if len(l.differ) < differMost && !slices.Contains(l.differ, text) {
			l.differ = append(l.differ, text)
		}
	}
}

// tellDiffer tells where log and ledger differ, oldest first.
func (l *sessionLog) tellDiffer() {
	for _, text := range slices.Backward(l.differ) {
		tell(l.in.stderr, text)
	}
}

func (l *sessionLog) trouble(err error) {
	l.failed = true
	l.back.Damage()
	tell(l.in.stderr, err)
}

// err tells the damage, and returns the error of a command that could not read everything.
func (l *sessionLog) err() error {
	l.tellDiffer()
	err := l.damage.err()
	if err != nil {
		tell(l.in.stderr, err)
	}
	if l.in.ctx.Err() != nil {
		return errors.New("a signal has ended it")
	}
	if err != nil || l.failed {
		return errPartly
	}
	return nil
}

// rows yields the records, newest first.
func (l *sessionLog) rows() iter.Seq2[logs.Rows, error] {
	l.begin(nil)
	if named := l.in.values["f"]; len(named) > 0 {
		return l.named(named)
	}
	cfg, err := l.in.settings()
	if err != nil {
		return func(yield func(logs.Rows, error) bool) { yield(logs.Rows{}, err) }
	}
	l.own = &recorder{in: l.in, cfg: cfg}
	l.ledger = l.own.ledger()
	for _, n := range l.own.report.Notes {
		tell(l.in.stderr, n)
	}
	on := &nowOn{name: cfg.UtmpxFile, now: l.in.on.now}
	l.now = on
	has := on.has
	if err := on.read(); err != nil {
		has = nil
		l.failed = !errors.Is(err, fs.ErrNotExist) // a system may have none
		tell(l.in.stderr, fmt.Sprintf("who is on now is not known: %v", err))
	}
	l.readWtmpdb(has)
	l.begin(has)
	return logs.New(cfg.WtmpxFile, logs.Options{Torn: true}).RowsBackward(l.in.ctx)
}

func (l *sessionLog) begin(alive func(*utmpx.Record) bool) {
	l.back = sessions.NewBackward(alive)
	if l.db != nil {
		l.back.Past(l.since) // those that are left out are in the database, too
		return
	}
	l.back.Only(l.since, l.until)
}

// named yields the records of files, the last one first, through any symbolic link.
func (l *sessionLog) named(names []string) iter.Seq2[logs.Rows, error] {
	return func(yield func(logs.Rows, error) bool) {
		for _, name := range slices.Backward(names) {
			to, err := typed(name)
			if err == nil {
				err = notLastlog(to, name)
			}
			var f *logs.File
			if err == nil {
				f, err = logs.New(to, logs.Options{Torn: true, Other: otherForm}).Open(l.in.ctx, to)
			}
			if err != nil {
				if !yield(logs.Rows{}, err) {
					return
				}
				continue
			}
			more := true
			if torn := f.TornEnd(); torn != nil {
				more = yield(logs.Rows{}, torn)
			}
			if !more {
				f.Close()
				return
			}
			f.RowsBackward(f.End())(func(r logs.Rows, err error) bool {
				more = yield(r, err)
				return more
			})
			f.Close()
			if !more {
				return
			}
		}
	}
}

// nowOn is the sessions of the utmpx file.
type nowOn struct {
	name  string
	now   func() time.Time
	again bool // it was read again
	lines map[string]utmpx.Record
	pids  map[int32]utmpx.Record
}

func (n *nowOn) read() error {
	s, err := recfile.NewFile(n.name, recfile.Options{}).Snapshot(nil)
	if err != nil && !errors.Is(err, recfile.ErrTooLong) {
		return err
	}
	n.lines, n.pids = map[string]utmpx.Record{}, map[int32]utmpx.Record{}
	for _, r := range s.All() {
		if r.Type == utmpx.UserProcess {
			n.lines[r.Line], n.pids[r.PID] = r, r
		}
	}
	return err
}

// has reports whether a login of the log is in the utmpx file now. The file is read again
// for a login that may have come since.
func (n *nowOn) has(login *utmpx.Record) bool {
	if n.found(login) {
		return true
	}
	if n.again || n.now().Sub(login.Time.Time()).Abs() > 10*time.Second {
		return false
	}
	n.again = true
	return n.read() == nil && n.found(login)
}

// found looks for a login by its line, and by its process: xrdp records another line in
// the utmpx file.
func (n *nowOn) found(login *utmpx.Record) bool {
	near := func(r utmpx.Record) bool {
		d := r.Time.Sec - login.Time.Sec
		return r.User == login.User && -2 <= d && d <= 2
	}
	byLine, ok := n.lines[login.Line]
	if ok && byLine.User == login.User && (byLine.PID == login.PID || near(byLine)) {
		return true
	}
	byPID, ok := n.pids[login.PID]
	return ok && near(byPID)
}
