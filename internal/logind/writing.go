// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// carryOut reports whether an order was carried out, and whether one is to be tried again:
// what is in its way may not be seen, as in a file that is too long to be read whole.
func (r *Recorder) carryOut(ctx context.Context, orders []Order) (done, again bool) {
	r.intended = nil
	r.intend(orders...)
	for _, o := range orders {
		if ctx.Err() != nil {
			return done, false
		}
		carried := true
		var err error
		switch o.Kind {
		case Write, TakeOver:
			carried, err = r.record(ctx, o)
		case Withdraw:
			carried, err = r.withdraw(ctx, o)
		case End:
			r.ended[mark(o.Was)] = time.Now()
			at := o.At
			if at.IsZero() {
				at = r.opts.Machine.Now()
			}
			r.opts.End(r.snap.Generation(), o.Slot, o.Was, at)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.fail("a session of logind cannot be recorded, and is tried again", err)
		}
		done, again = done || carried, again || !carried && !errors.Is(err, fs.ErrNotExist)
	}
	return done, again
}

// record writes the login and then the record. A crash in between heals: a later run finds
// what was intended, and the login open. The record gets its time.
func (r *Recorder) record(ctx context.Context, o Order) (written bool, err error) {
	rec := o.Record
	appended, owed := false, false
	if o.Login {
		appended, err = r.logIn(ctx, o, &rec)
		switch {
		case errors.Is(err, sysfile.ErrLocked):
			return false, err
		case err == nil, errors.Is(err, fs.ErrNotExist), recfile.TakesNothing(err):
		default: // as libc does: the session is on the machine, whatever the log says
			r.fail("a login of logind is not in the wtmpx file, and is tried again", err)
			owed = true
			r.owe(rec, o)
		}
		if rec.Time != o.Record.Time {
			o.Record = rec
			r.intend(o)
		}
	}
	written, err = r.put(ctx, o, rec)
	if !written {
		if appended {
			r.setHalf(o.key, rec)
		}
		if owed {
			r.owesNot(mark(rec))
		}
		return false, err
	}
	o.Record = rec
	r.bridge.Wrote(o)
	r.setHalf(o.key, utmpx.Record{})
	r.opts.Logger.Info("session recorded for logind", "line", rec.Line, "user", rec.User, "pid", rec.PID, "host", rec.Host, "login appended", appended)
	return true, nil
}

// put writes the record unless its owner has, or the session is over meanwhile: nobody could
// tell that of a record that is written later.
func (r *Recorder) put(ctx context.Context, o Order, rec utmpx.Record) (written bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if !r.lives(o.key) {
		return false, nil
	}
	looked, gone := false, false
	var over utmpx.Record
	if o.Kind == TakeOver { // a dead record with the same ut_id may come before it
		over = o.Was
	}
	_, err = r.opts.File.PutUnless(ctx, rec, over, func(at utmpx.Record) bool {
		if !looked {
			looked, gone = true, !r.lives(o.key)
		}
		return gone || InTheWay(rec, at) && !(o.Kind == TakeOver && at.Raw() == o.Was.Raw())
	})
	if errors.Is(err, recfile.ErrTaken) {
		return false, nil
	}
	return err == nil, err
}

func (r *Recorder) lives(k key) bool {
	s, known := r.known[identity{k.id, k.leader, k.since}]
	if !known {
		return false
	}
	_, lives := r.opts.Machine.Lives(s)
	return lives
}

// logIn appends the login, unless the session's is open under the log's lock: on the line, by
// one of the session's processes, near in time. The record gets the time of that.
func (r *Recorder) logIn(ctx context.Context, o Order, rec *utmpx.Record) (appended bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	err = r.opts.Log.Append(ctx, func(open *openlogins.Logins) []utmpx.Record {
		appended = false
		if at, ok := open.On(rec.Line); ok && r.isOf(o, at) {
			rec.Time = at.Time
			return nil
		}
		appended = true
		return []utmpx.Record{*rec}
	})
	return appended && err == nil, err
}

// isOf reports whether an open login is of the session of an order.
func (r *Recorder) isOf(o Order, at openlogins.Login) bool {
	if at.Time.Time().Before(o.from) {
		return false
	}
	return at.PID == o.key.leader || at.PID > 0 && at.PID == o.key.of || slices.Contains(r.opts.Machine.Above(at.PID), o.key.leader)
}

// withdraw marks a record dead whose session its owner has recorded too. If that one's login
// is open on another line, as that of a display, the bridge's is closed first: it would stay
// open until the session ends, as a second one. On the same line the owner's has replaced it.
func (r *Recorder) withdraw(ctx context.Context, o Order) (withdrawn bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	dead := r.opts.Dead(o.Was, r.opts.Machine.Now())
	if err := r.closeSecond(ctx, o.Was, o.Record, dead); err != nil {
		return false, err
	}
	r.owesNot(mark(o.Was)) // the owner's is in the log, or its own affair
	done, err := r.opts.File.Swap(ctx, r.snap.Generation(), []recfile.Swap{{Slot: o.Slot, Old: o.Was, New: dead}})
	if err != nil || !done[0] {
		return false, err
	}
	r.opts.Logger.Info("record withdrawn: the session's owner has recorded it too", "line", o.Was.Line, "user", o.Was.User, "pid", o.Was.PID)
	return true, nil
}

// closeSecond closes a login of the bridge if the owner's is open on another line.
func (r *Recorder) closeSecond(ctx context.Context, was, owner, dead utmpx.Record) error {
	err := r.opts.Log.Append(ctx, func(open *openlogins.Logins) []utmpx.Record {
		ours, isOpen := open.On(was.Line)
		theirs, replaced := open.On(owner.Line)
		if owner.Line == was.Line || !isOpen || !replaced || ours.PID != was.PID || ours.Time != was.Time || theirs.PID != owner.PID {
			return nil
		}
		return []utmpx.Record{dead}
	})
	if errors.Is(err, fs.ErrNotExist) || recfile.TakesNothing(err) {
		return nil
	}
	return err
}
