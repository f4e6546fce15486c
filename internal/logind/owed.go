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
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// Owed is a login that the log would not take.
type Owed struct {
	Login  utmpx.Record
	From   time.Time // an open login of one of the session's processes is the session's from then on
	End    time.Time // of the session; zero: its record is there
	Logged bool      // it is in the log by now, and its session is over
}

// owing is an Owed of this run.
type owing struct {
	Owed
	key   key
	since time.Time // when Logged was seen
	asked bool      // to close it
}

type owings map[session.OpenLogin]*owing

func owingsOf(all []Owed) owings {
	o, now := make(owings), time.Now()
	for _, it := range all {
		o[mark(it.Login)] = &owing{Owed: it, key: key{leader: it.Login.PID, line: it.Login.Line}, since: now}
	}
	return o
}

func (o owings) all() (all []Owed) {
	for _, it := range o {
		all = append(all, it.Owed)
	}
	return all
}

// logoutLate is how long the Cleaner has to close the login of a session that is over: it knows
// best when that ended. What a program has closed meanwhile it knows nothing of.
const logoutLate = 2 * time.Minute

// owe notes a login that the log would not take, before its record is put: a later run must know.
func (r *Recorder) owe(login utmpx.Record, o Order) {
	r.mu.Lock()
	r.owed[mark(login)] = &owing{Owed: Owed{Login: login, From: o.from}, key: o.key}
	r.mu.Unlock()
	r.keep()
}

func (r *Recorder) owesNot(at session.OpenLogin) {
	r.mu.Lock()
	_, owed := r.owed[at]
	delete(r.owed, at)
	r.mu.Unlock()
	if owed {
		r.keep()
	}
}

// Owes reports whether the log lacks the login of one of these records. It may be called from
// any goroutine, and does not block.
func (r *Recorder) Owes(records ...utmpx.Record) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(records, func(rec utmpx.Record) bool {
		it := r.owed[mark(rec)]
		return it != nil && !it.Logged
	})
}

// LogInFirst tries to append what is owed, and then calls then, whether that has succeeded or
// not: a logout has to follow its login. It may be called from any goroutine, and does not block.
func (r *Recorder) LogInFirst(then func()) {
	r.mu.Lock()
	r.then = append(r.then, then)
	r.mu.Unlock()
	r.Wake()
}

func (r *Recorder) takeFirst() (then []func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	then, r.then = r.then, nil
	return then
}

// logInLater appends the logins that could not be: of records that are there, and of sessions
// that have ended meanwhile. It reports whether some are left.
func (r *Recorder) logInLater(ctx context.Context, s Scene) (left bool) {
	owed, changed := r.findEnds(s)
	waits := make(map[string]bool)
	for _, it := range owed {
		at := mark(it.Login)
		there := r.bridge.owns(at)
		switch {
		case it.Logged && r.isClosed(ctx, at):
			r.settle(at, false)
			changed = true
			continue
		case it.Logged || waits[at.Line]: // the next login of the line would take the place of its logout
			waits[at.Line] = true
			continue
		case !there && it.End.IsZero():
			r.opts.Logger.Info("a login of logind is not in the wtmpx file, and is given up: its record was replaced", "line", at.Line, "user", at.User, "pid", at.PID)
			r.settle(at, false)
			changed = true
			continue
		}
		appended, err := r.logInOwed(ctx, it, there)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !recfile.TakesNothing(err) {
			left = true // and the others would fail, too
			break
		}
		waits[at.Line] = appended && !there
		r.settle(at, appended && !there)
		changed = true
	}
	if changed {
		r.keep()
	}
	return left
}

// isClosed reports whether a login is not open any more.
func (r *Recorder) isClosed(ctx context.Context, at session.OpenLogin) bool {
	logins, err := r.opts.Log.Read(ctx)
	return err == nil && !isOpen(logins, at)
}

// findEnds returns what is owed, the oldest login first. It notes the ends of their sessions:
// whoever closed a record has left the time there.
func (r *Recorder) findEnds(s Scene) (owed []owing, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, it := range r.owed {
		if at := slices.IndexFunc(s.Records, it.endedBy); at >= 0 && it.End.IsZero() && !r.bridge.owns(mark(it.Login)) {
			it.End, found = s.Records[at].Time.Time(), true
		}
		owed = append(owed, *it)
	}
	slices.SortFunc(owed, func(a, b owing) int { return a.Login.Time.Time().Compare(b.Login.Time.Time()) })
	return owed, found
}

// endedBy reports whether a record shows the end of the session: it was closed, or a getty
// waits on the line again.
func (it *owing) endedBy(r utmpx.Record) bool {
	closed := r.Type == utmpx.DeadProcess && r.PID == it.Login.PID || r.Type == utmpx.LoginProcess
	return closed && r.Line == it.Login.Line && !r.Time.Time().Before(it.Login.Time.Time())
}

// settle forgets what was owed, or keeps it until its logout is there.
func (r *Recorder) settle(at session.OpenLogin, open bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !open {
		delete(r.owed, at)
		return
	}
	it := r.owed[at]
	it.Logged, it.since = true, time.Now()
}

// logInOwed appends a login unless it stands there. After the login of a later session it would
// seem to be the line's last one: then it is given up.
func (r *Recorder) logInOwed(ctx context.Context, it owing, there bool) (appended bool, err error) {
	o, rec := Order{key: it.key, from: it.From}, it.Login
	if there {
		return r.logIn(ctx, o, &rec)
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	err = r.opts.Log.Append(ctx, func(open *openlogins.Logins) []utmpx.Record {
		at, isOpen := open.On(rec.Line)
		appended = !isOpen || at.Time.Time().Before(rec.Time.Time())
		if appended {
			return []utmpx.Record{rec}
		}
		appended = at.PID == rec.PID && at.Time == rec.Time // by a run that was killed then
		return nil
	})
	return appended && err == nil, err
}

// closeOwed closes the logins of sessions that were over before the log took them, unless the
// Cleaner has. It returns when to do so again.
func (r *Recorder) closeOwed() (again time.Time) {
	due, again := r.dueLogouts()
	for _, it := range due {
		r.opts.LogOut(it.Login, it.End, true, func(closed bool) { r.closedOwed(mark(it.Login), closed) })
	}
	return again
}

func (r *Recorder) dueLogouts() (due []Owed, again time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, it := range r.owed {
		switch at := it.since.Add(logoutLate); {
		case !it.Logged || it.asked:
		case at.After(time.Now()):
			again = time.Now().Add(time.Second) // the next login of the line waits
		default:
			it.asked = true
			due = append(due, it.Owed)
		}
	}
	return due, again
}

func (r *Recorder) closedOwed(at session.OpenLogin, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if it := r.owed[at]; closed {
		delete(r.owed, at)
	} else if it != nil {
		it.asked, it.since = false, time.Now()
	}
	r.Wake()
}
