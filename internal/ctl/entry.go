// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/cleaner"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// book is the two files in which a session is recorded whose program does not do so.
type book struct {
	in   call
	cfg  config.Config
	file *recfile.File
	log  *openlogins.Log
	wait time.Duration // for each lock
	note func(string)  // tells what is no error
}

func newBook(in call) (*book, error) {
	cfg, err := in.settings()
	if err != nil {
		return nil, err
	}
	if err := recfile.Mistaken(cfg.UtmpxFile, cfg.WtmpxFile, recfile.Options{}); err != nil {
		return nil, err
	}
	return &book{
		in: in, cfg: cfg, wait: in.on.patience, note: func(text string) { tell(in.stderr, text) },
		file: recfile.NewFile(cfg.UtmpxFile, recfile.Options{}),
		log:  openlogins.New(cfg.WtmpxFile, recfile.Options{Apart: cfg.UtmpxFile}),
	}, nil
}

// takenError is the error of a session whose line or process has a record already.
type takenError struct{ by utmpx.Record }

func (e *takenError) Error() string {
	return fmt.Sprintf("%s is recorded already: %s, process %d", e.by.Line, e.by.User, e.by.PID)
}

// sameMoment is how far the times of two records of one login are apart at most.
const sameMoment = 2 * time.Second

// begin records a session: as login(3) does, first in the utmpx file, where the lock
// decides who of several comes first, and then in the log. alone: a process has one session
// only. It returns the record as it was written. The error is a [takenError] if somebody has
// recorded the session.
func (b *book) begin(r utmpx.Record, alone bool) (utmpx.Record, error) {
	snap, err := b.file.Snapshot(nil)
	if err != nil && !errors.Is(err, recfile.ErrEmpty) {
		return r, b.missing(err)
	}
	if at, leader := b.led(r, snap); leader != 0 {
		at.PID = leader
		return r, &takenError{at}
	}
	script, adopted := b.orphan(r, snap)
	switch {
	case adopted:
		r.Line, r.ID, r.Host = script.Line, script.ID, script.Host
		r.Session = int64(script.PID) // utmpd finds the login in the log by it
	case r.ID == "":
		r.ID = b.id(r, snap)
	}
	ctx, cancel := context.WithTimeout(b.in.ctx, b.wait)
	defer cancel()
	var by utmpx.Record
	_, err = b.file.PutUnless(ctx, r, utmpx.Record{}, func(at utmpx.Record) bool {
		if !b.inTheWay(r, at, alone) {
			return false
		}
		by = at
		return true
	})
	switch {
	case errors.Is(err, recfile.ErrTaken) && (by.Line == r.Line || by.PID == r.PID):
		return r, &takenError{by}
	case errors.Is(err, recfile.ErrTaken):
		return r, fmt.Errorf("ut_id %s is that of %s; name another one with -id", r.ID, by.Line)
	case err != nil:
		return r, b.missing(err)
	}
	if err := b.logIn(r, script.PID); err != nil {
		return r, fmt.Errorf("recorded in %s alone: %w", b.cfg.UtmpxFile, err)
	}
	return r, nil
}

// orphan finds the record of r's login on a display that another program has written a
// moment before, with a process that has ended since: display managers have sessreg(1) do it,
// which records the script that runs it. The display is the line or the host.
func (b *book) orphan(r utmpx.Record, snap *snapshot.Snapshot) (at utmpx.Record, ok bool) {
	for _, at := range snap.All() {
		if at.Type == utmpx.UserProcess && at.User == r.User && apart(at.Time, r.Time) <= sameMoment && isOfDisplay(at, r.Line) && !b.in.on.alive(at.PID) {
			return at, true
		}
	}
	return at, false
}

// isOfDisplay reports whether a record is of the X display that line is: its line or host names it.
func isOfDisplay(r utmpx.Record, line string) bool {
	display, ok := session.ParseDisplay(line, r.PID)
	names := func(text string) bool {
		d, ok := session.ParseDisplay(text, r.PID)
		return ok && d.Same(display)
	}
	return ok && (names(r.Line) || names(r.Host))
}

func apart(a, b utmpx.Time) time.Duration { return a.Time().Sub(b.Time()).Abs() }

// missing explains the error of a utmpx file that does not exist.
func (b *book) missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; utmpctl boot makes it", err)
	}
	return err
}

// id returns the ut_id under which the session's program would record it: that of the
// record that is to be replaced, else the last four bytes of the line without "tty".
func (b *book) id(r utmpx.Record, snap *snapshot.Snapshot) string {
	for _, at := range snap.All() {
		waits := at.Type == utmpx.LoginProcess || at.Type == utmpx.InitProcess
		stale := at.Type == utmpx.UserProcess && at.Line == r.Line && !b.in.on.alive(at.PID)
		if at.ID != "" && (stale || waits && (at.Line == r.Line || at.PID == r.PID)) {
			return at.ID
		}
	}
	return session.LineID(r.Line)
}

// inTheWay reports whether a record keeps r from being written: a living session's of the
// line or the process, or one that r would displace. A getty that waits on the line, or as
// the process, does not.
func (b *book) inTheWay(r, at utmpx.Record, alone bool) bool {
	switch at.Type {
	case utmpx.UserProcess:
		same := at.Line == r.Line || at.ID == r.ID || alone && at.PID == r.PID
		return same && at.User != "" && b.in.on.alive(at.PID)
	case utmpx.LoginProcess, utmpx.InitProcess:
		return at.ID == r.ID && at.Line != r.Line && at.PID != r.PID && b.in.on.alive(at.PID)
	}
	return false
}

// logIn appends the login, unless it is open: a program or utmpd may have written it a moment
// before, with the process other if that is not 0. So only the end of the log is read: somebody
// waits to be let in.
func (b *book) logIn(r utmpx.Record, other int32) error {
	ctx, cancel := context.WithTimeout(b.in.ctx, b.wait)
	defer cancel()
	log := recfile.NewLog(b.cfg.WtmpxFile, recfile.Options{Apart: b.cfg.UtmpxFile})
	return b.unlogged(log.Locked(ctx, func(end *recfile.LockedLog) error {
		at, ok, err := lastOf(ctx, r.Line, log.Name(), end)
		if err != nil || ok && at.User == r.User && (at.PID == r.PID || other != 0 && at.PID == other) && apart(at.Time, r.Time) <= sameMoment {
			return err // PAM, the bridge or sessreg wrote it
		}
		return end.Append(r)
	}))
}

// lastMost is how many records can have come within a moment.
const lastMost = 512

// lastOf returns the last login of a line at the end of a log, if it is open.
func lastOf(ctx context.Context, line, name string, end *recfile.LockedLog) (at utmpx.Record, ok bool, err error) {
	f, err := logs.New(name, logs.Options{}).Wrap(ctx, name, end.Handle())
	if err != nil {
		return at, false, err
	}
	defer f.Close()
	left := lastMost
	for e, err := range f.Backward(f.End()) {
		switch {
		case logs.IsDamage(err):
			continue
		case err != nil:
			return at, false, err
		case e.Line == line, boots.KindOf(e.Record).EndsLogins():
			return e.Record, e.Line == line && e.Type == utmpx.UserProcess && e.User != "", nil
		}
		if left--; left == 0 {
			break
		}
	}
	return at, false, nil
}

// ofSession reports whether a login of the line in the log is that of a record: of its
// process, or of one that has ended and had logged in at the same moment.
func (b *book) ofSession(at openlogins.Login, r utmpx.Record) bool {
	return at.User == r.User && (at.PID == r.PID || apart(at.Time, r.Time) <= sameMoment && !b.in.on.alive(at.PID))
}

// unlogged reports a log that is missing or takes no records, which is no error.
func (b *book) unlogged(err error) error {
	if errors.Is(err, fs.ErrNotExist) || recfile.TakesNothing(err) {
		b.note(fmt.Sprintf("nothing is recorded in the log: %v", err))
		return nil
	}
	return err
}

// errNoSession is the error of a session that is not recorded, or no more.
var errNoSession = errors.New("no session is recorded there")

// end closes the session that is's, as its program would: the logout in the log, if the
// login is open there, and then the record. A process that lives, other than by, keeps its
// session. Without a record, the login of by on the line is closed. It returns the record of
// the session, and of its end.
func (b *book) end(is func(utmpx.Record) bool, line string, by int32) (of, dead utmpx.Record, err error) {
	for range attempts {
		snap, err := b.file.Snapshot(nil)
		if err != nil && !errors.Is(err, recfile.ErrEmpty) {
			return of, dead, b.missing(err)
		}
		slot, r, ok := findSession(snap, is)
		switch {
		case !ok:
			return b.endInLog(line, by)
		case r.PID == by:
		case b.in.on.alive(r.PID):
			return of, dead, anothers(r, r.PID)
		default:
			if leader := b.leader(r); leader != 0 && leader != by {
				return of, dead, anothers(r, leader)
			}
		}
		dead := cleaner.Dead(r, b.now(r), utmpx.Exit{})
		if err := b.logOut(r, dead); err != nil {
			return of, dead, err
		}
		ctx, cancel := context.WithTimeout(b.in.ctx, b.wait)
		done, err := b.file.Swap(ctx, snap.Generation(), []recfile.Swap{{Slot: slot, Old: r, New: dead}})
		cancel()
		if err == nil && !done[0] || errors.Is(err, recfile.ErrReplaced) {
			continue // another one has written it
		}
		return r, dead, err
	}
	return of, dead, fmt.Errorf("%s keeps changing", b.cfg.UtmpxFile)
}

// anothers is the error of a session that lives by another process.
func anothers(r utmpx.Record, pid int32) error {
	return fmt.Errorf("the session on %s is that of %s, process %d; end it with -pid %[3]d", r.Line, r.User, pid)
}

// endInLog closes the login of a session that has no record: another program has the same
// ut_id, and has overwritten it.
func (b *book) endInLog(line string, pid int32) (of, dead utmpx.Record, err error) {
	if line == "" {
		return of, dead, errNoSession
	}
	ctx, cancel := context.WithTimeout(b.in.ctx, b.wait)
	defer cancel()
	result := errNoSession
	err = b.log.AppendOn(ctx, line, func(at openlogins.Login, open bool) []utmpx.Record {
		result = errNoSession
		if !open || at.PID != pid {
			return nil
		}
		result = nil
		of = utmpx.Record{Type: utmpx.UserProcess, PID: pid, Line: line, ID: at.ID, User: at.User, Time: at.Time}
		dead = cleaner.Dead(of, b.now(of), utmpx.Exit{})
		return []utmpx.Record{dead}
	})
	if err == nil || errors.Is(err, fs.ErrNotExist) || recfile.TakesNothing(err) {
		return of, dead, result
	}
	return of, dead, err
}

func findSession(snap *snapshot.Snapshot, is func(utmpx.Record) bool) (slot int, r utmpx.Record, ok bool) {
	for slot, r := range snap.All() {
		if r.Type == utmpx.UserProcess && r.User != "" && is(r) {
			return slot, r, true
		}
	}
	return 0, r, false
}

// now returns the time of a logout: the clock may have been set back.
func (b *book) now(login utmpx.Record) time.Time {
	if now := b.in.on.now(); now.After(login.Time.Time()) {
		return now
	}
	return login.Time.Time()
}

func (b *book) logOut(r, dead utmpx.Record) error {
	ctx, cancel := context.WithTimeout(b.in.ctx, b.wait)
	defer cancel()
	return b.unlogged(b.log.AppendOn(ctx, r.Line, func(at openlogins.Login, open bool) []utmpx.Record {
		if !open || !b.ofSession(at, r) {
			return nil
		}
		return []utmpx.Record{dead}
	}))
}

// newSession returns the record of a session that begins. Names are cut to the width of their
// fields.
func newSession(line, user, host string, pid int32, at time.Time) utmpx.Record {
	r := utmpx.Record{
		Type: utmpx.UserProcess, PID: pid, Line: line, Time: utmpx.TimeOf(at),
		User: session.FieldText(user, 32), Host: session.FieldText(host, 256),
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		r.SetIP(ip.Unmap().WithZone(""))
	}
	return r
}
