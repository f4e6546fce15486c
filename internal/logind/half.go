// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"context"
	"maps"
	"slices"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// intend keeps what orders are about to write, before a byte of it is: whoever is killed after
// that finds what is half done.
func (r *Recorder) intend(orders ...Order) {
	before := len(r.intended)
	for _, o := range orders {
		if o.Kind <= TakeOver {
			r.intended = append(r.intended, session.OwnRecord{OpenLogin: mark(o.Record), Led: o.key.leads()})
		}
	}
	if len(r.intended) > before {
		r.keep()
	}
}

// keep keeps what is about to be written, what is half recorded, and what is owed.
func (r *Recorder) keep() {
	begun := slices.Clone(r.intended)
	r.mu.Lock()
	for _, login := range r.half {
		begun = append(begun, session.OwnRecord{OpenLogin: mark(login)})
	}
	owed := r.owed.all()
	r.mu.Unlock()
	r.opts.Intend(begun, owed)
}

// takeUp takes up, once, what an earlier run has begun and has no record: if it is open in
// the log, it is half done.
func (r *Recorder) takeUp(ctx context.Context, s Scene) {
	if r.begun == nil {
		return
	}
	recorded := make(map[session.OpenLogin]bool)
	for _, rec := range s.Records {
		if rec.Type == utmpx.UserProcess {
			recorded[mark(rec)] = true
		}
	}
	r.setBegun(slices.DeleteFunc(slices.Clone(r.begun), func(o session.OwnRecord) bool { return recorded[o.OpenLogin] }))
	if r.begun == nil {
		return
	}
	logins, err := r.opts.Log.Read(ctx)
	if err != nil {
		return
	}
	for _, o := range r.begun {
		if isOpen(logins, o.OpenLogin) {
			k := key{leader: o.PID, since: o.Time.Time().UnixMicro(), line: o.Line}
			r.setHalf(k, utmpx.Record{Type: utmpx.UserProcess, PID: o.PID, Line: o.Line, ID: o.ID, User: o.User, Time: o.Time})
		}
	}
	r.setBegun(nil)
}

func (r *Recorder) setBegun(logins []session.OwnRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = nil
	if len(logins) > 0 {
		r.begun = logins
	}
}

// Half reports whether the bridge has appended that login, and has or had no record for it: it
// is that of a terminal, which ends by itself, though another login has the same process. It may
// be called from any goroutine, and does not block.
func (r *Recorder) Half(login session.Login) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.begun {
		if o.Login == login {
			return true
		}
	}
	for _, half := range r.half {
		if mark(half).Login == login {
			return true
		}
	}
	return false
}

func (r *Recorder) halfDone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.half)+len(r.owed) > 0
}

// setHalf notes a login that has no record yet, or with an empty one that it has.
func (r *Recorder) setHalf(k key, login utmpx.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if login.Line == "" {
		delete(r.half, k)
	} else {
		r.half[k] = login
	}
}

func isOpen(logins *openlogins.Logins, o session.OpenLogin) bool {
	open, _ := logins.Since(0)
	return slices.ContainsFunc(open, func(at session.OpenLogin) bool { return at.Login == o.Login && at.User == o.User })
}

// begunEarlier reports whether an earlier run has appended the login: which session it was of
// is told by its leader and line.
func (k key) begunEarlier() bool { return k.id == "" }

// waits reports whether a login of an earlier run may get its record yet: not if its session's
// owner has written one.
func (r *Recorder) waits(k key, login utmpx.Record, orders []Order) bool {
	same := func(o key) bool { return o.leader == k.leader && o.line == k.line }
	if slices.ContainsFunc(orders, func(o Order) bool { return same(o.key) }) {
		return true
	}
	for o, seen := range r.bridge.seen {
		if same(o) {
			return !seen.done
		}
	}
	_, lives := r.opts.Machine.Lives(Session{Leader: k.leader, Since: login.Time.Time()})
	return lives && !session.PseudoTerminal(k.line)
}

// closeHalf closes the logins whose record could not be written before the session was over.
func (r *Recorder) closeHalf(ctx context.Context, s Scene, orders []Order) {
	r.mu.Lock()
	half := maps.Clone(r.half)
	r.mu.Unlock()
	for k, login := range half {
		if r.bridge.owns(mark(login)) {
			r.setHalf(k, utmpx.Record{})
			continue
		}
		lives := slices.ContainsFunc(orders, func(o Order) bool { return o.key == k }) || k.begunEarlier() && r.waits(k, login, orders)
		for it := range s.Living {
			lives = lives || it.Leader == k.leader && it.Since.UnixMicro() == k.since && !s.View.Known
		}
		if lives || session.PseudoTerminal(k.line) && !r.opts.Machine.Gone(k.line) {
			continue // a shell may go on without its leader
		}
		if !r.closes(ctx, s, k, login) {
			continue
		}
		r.setHalf(k, utmpx.Record{})
		r.opts.LogOut(login, r.opts.Machine.Now(), false, func(closed bool) {
			if !closed {
				r.setHalf(k, login)
			}
		})
	}
}

// closes reports whether a half recorded login is to be closed now. One that the owner of the
// session has replaced is not, and one beside the owner's is closed here.
func (r *Recorder) closes(ctx context.Context, s Scene, k key, login utmpx.Record) bool {
	if owner, found := NewBridge(nil).index(s).ownerOf(mark(login)); found && owner.Line != login.Line {
		ctx, cancel := context.WithTimeout(ctx, lockWait)
		defer cancel()
		if err := r.closeSecond(ctx, login, owner, r.opts.Dead(login, r.opts.Machine.Now())); err != nil {
			return false
		}
	}
	if !k.begunEarlier() {
		return true
	}
	logins, err := r.opts.Log.Read(ctx)
	if err == nil && !isOpen(logins, mark(login)) {
		r.setHalf(k, utmpx.Record{})
	}
	return err == nil && isOpen(logins, mark(login))
}
