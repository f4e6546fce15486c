// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

const (
	lockWait = 3 * time.Second // for the lock of either file
	firstTry = time.Second     // after an order that failed
	lastTry  = time.Minute     // the longest pause
	goneFor  = 5 * time.Second // a terminal is gone before its record is closed: its owner may
	endAgain = time.Minute     // before a record that was ordered to be closed is ordered again

	// A pause is restRatio times as long as the work before it, within bounds.
	leastRest = time.Millisecond
	mostRest  = time.Second
	restRatio = 10
)

// looks is when terminals are looked for after something has shown that one may come: it is
// made first, and its session leader leads it some milliseconds later. At a user's first
// login the service manager starts in between.
var looks = [...]time.Duration{
	0, 5 * time.Millisecond, 20 * time.Millisecond, 80 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second,
}

// RecordFile is the utmpx file: a [recfile.File].
type RecordFile interface {
	Snapshot(prev *snapshot.Snapshot) (*snapshot.Snapshot, error)
	PutUnless(ctx context.Context, r utmpx.Record, taken func(at utmpx.Record) bool) (slot int, err error)
	Swap(ctx context.Context, gen snapshot.Generation, swaps []recfile.Swap) ([]bool, error)
}

// LoginLog is the wtmpx log: an [openlogins.Log] of the Recorder's own.
type LoginLog interface {
	Append(ctx context.Context, choose func(*openlogins.Logins) []utmpx.Record) error
	Read(ctx context.Context) (*openlogins.Logins, error)
}

// Machine answers what a [Scene] needs to know. Its functions may block for a pass over
// /proc.
type Machine struct {
	// Lives reports whether its leader surely does, and since when, zero if that is not known.
	Lives     func(Session) (began time.Time, lives bool)
	Terminals func() ([]Terminal, error)
	Above     func(pid int32) []int32 // from which processes it descends
	Device    func(name string) bool  // a terminal below /dev has that name
	Shell     func(leader int32) bool // login(1), which it is, may have started the shell
	Gone      func(line string) bool  // the terminal surely is
	Now       func() time.Time        // by the wall clock
}

// Options configure a Recorder. All are required.
type Options struct {
	File    RecordFile
	Log     LoginLog
	Machine Machine
	Own     []session.OpenLogin // the records of an earlier run

	// Changed is told the records that are the Recorder's. End closes a record of a session
	// whose terminal is gone, in both files. Dead returns a record as it is after its end.
	// Run's goroutine calls them.
	Changed func(own []session.OpenLogin)
	End     func(gen snapshot.Generation, slot int, r utmpx.Record, at time.Time)
	Dead    func(r utmpx.Record, at time.Time) utmpx.Record

	// LogOut closes a login that has no record, and tells whether it is closed. It does not
	// block; done may be called in any goroutine.
	LogOut func(login utmpx.Record, at time.Time, done func(closed bool))

	// Missed tells that sshd has made a terminal for a session that is not known: a signal
	// may be lost, as the bus does with one that is too slow. It does not block.
	Missed func()
	Logger *slog.Logger
}

// Recorder records sessions of logind that nobody else records. It works in the goroutine
// of [Recorder.Run]; the other methods may be called at any time and do not block.
type Recorder struct {
	opts   Options
	bridge *Bridge
	news   chan struct{}

	mu   sync.Mutex
	view View
	look bool                 // a terminal may have come or gone
	half map[key]utmpx.Record // logins that were appended, and have no record yet

	// Of Run's goroutine.
	snap      *snapshot.Snapshot
	terminals []Terminal
	known     map[identity]Session // those that were looked for
	answered  bool                 // logind did, at the last look
	strays    map[stray]bool       // terminals of sshd that had no session
	above     map[session.OpenLogin][]int32
	next      int // of looks
	lookFrom  time.Time
	gone      map[string]time.Time            // since when a terminal is
	ended     map[session.OpenLogin]time.Time // when a record was ordered to be closed
	pause     time.Duration                   // before a failed order is tried again
	failed    string                          // as last logged
	own       []session.OpenLogin
}

// NewRecorder returns a Recorder that does nothing until [Recorder.Run].
func NewRecorder(o Options) *Recorder {
	return &Recorder{
		opts: o, bridge: NewBridge(o.Own), own: o.Own, news: make(chan struct{}, 1),
		next: len(looks), gone: make(map[string]time.Time), ended: make(map[session.OpenLogin]time.Time), half: make(map[key]utmpx.Record), pause: firstTry,
	}
}

// See takes in the sessions that logind has now.
func (r *Recorder) See(v View) {
	r.mu.Lock()
	r.view = v
	r.mu.Unlock()
	r.Wake()
}

// Look tells that a terminal may have come or gone.
func (r *Recorder) Look() {
	r.mu.Lock()
	r.look = true
	r.mu.Unlock()
	r.Wake()
}

// Wake tells that the utmpx file has changed.
func (r *Recorder) Wake() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// Run works until ctx ends. At rest it waits for news alone.
func (r *Recorder) Run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		began := time.Now()
		due := r.work(ctx, began)
		// Whoever makes terminals or records in a loop gets a part of a processor, not all.
		rest(ctx, min(max(leastRest, restRatio*time.Since(began)), mostRest))
		timer.Stop()
		if !due.IsZero() {
			timer.Reset(max(0, time.Until(due)))
		}
		select {
		case <-ctx.Done():
		case <-r.news:
		case <-timer.C:
		}
	}
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// work decides and carries out once, and returns when to do so again, by the clock of now.
func (r *Recorder) work(ctx context.Context, now time.Time) (due time.Time) {
	view := r.takeNews(now)
	if !view.Known && len(r.own) == 0 && !r.halfDone() {
		r.next = len(looks)
		return time.Time{}
	}
	r.lookAround(view, now)
	s, ok := r.scene(view)
	if !ok {
		return r.nextLook()
	}
	orders, again := r.bridge.Decide(s)
	orders = slices.DeleteFunc(orders, r.endsAlready)
	if slices.ContainsFunc(orders, func(o Order) bool { return o.Kind <= TakeOver }) {
		orders, again = r.decideAgain(ctx, view)
		orders = slices.DeleteFunc(orders, r.endsAlready)
	}
	if !again.IsZero() {
		due = now.Add(again.Sub(s.Now))
	}
	if r.carryOut(ctx, orders) {
		due = earliest(due, now.Add(r.pause))
		r.pause = min(2*r.pause, lastTry)
	} else if len(orders) > 0 {
		r.pause, r.failed = firstTry, ""
		r.Wake() // what follows from the orders: nothing, or one more
	}
	r.closeHalf(s, orders)
	r.publish()
	for _, since := range r.gone {
		if since.Add(goneFor).After(now) {
			due = earliest(due, since.Add(goneFor))
		}
	}
	return earliest(due, r.nextLook())
}

// takeNews returns the newest view. With a session in it that was not there, or after
// Look, terminals are looked for anew.
func (r *Recorder) takeNews(now time.Time) View {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := r.look || r.view.Known && !r.answered
	known := make(map[identity]Session, len(r.view.Sessions))
	for _, s := range r.view.Sessions {
		if _, had := r.known[s.identity()]; !had && s.Login() && many(s) {
			fresh = true
		}
		known[s.identity()] = s
	}
	r.look, r.known, r.answered = false, known, r.view.Known
	if fresh {
		r.next, r.lookFrom = 0, now
	}
	return r.view
}

// lookAround looks for the terminals of sessions that may have some.
func (r *Recorder) lookAround(v View, now time.Time) {
	if !slices.ContainsFunc(v.Sessions, func(s Session) bool { return s.Login() && many(s) }) && r.next < len(looks) {
		r.next = len(looks) - 1 // nothing is waited for
	}
	begins := slices.ContainsFunc(r.terminals, func(t Terminal) bool { return t.Begins })
	if (r.next == len(looks) || r.lookFrom.Add(looks[r.next]).After(now)) && !begins {
		return
	}
	for r.next < len(looks) && !r.lookFrom.Add(looks[r.next]).After(now) {
		r.next++
	}
	r.findTerminals()
	if r.next == len(looks) {
		r.findStrays(v)
	}
}

// stray is a terminal of an sshd without a session that is known.
type stray struct {
	line   string
	leader int32
}

// findStrays looks for terminals that sshd has made in a session that nobody has told of. Each
// is reported once: sshd may have none.
func (r *Recorder) findStrays(v View) {
	leaders := make(map[int32]bool)
	for _, s := range v.Sessions {
		leaders[s.Leader] = true
	}
	strays, missed := make(map[stray]bool), false
	for _, t := range r.terminals {
		makers := t.makers()
		if len(makers) == 0 || slices.ContainsFunc(makers, func(pid int32) bool { return leaders[pid] }) {
			continue
		}
		at := stray{t.Line, t.Leader}
		missed = missed || !r.strays[at]
		strays[at] = true
	}
	r.strays = strays
	if missed {
		r.opts.Missed()
	}
}

func (r *Recorder) findTerminals() {
	found, err := r.opts.Machine.Terminals()
	if err != nil {
		r.fail("the terminals of logind's sessions cannot be found", err)
		return
	}
	r.terminals = found
}

func (r *Recorder) nextLook() time.Time {
	if r.next == len(looks) {
		return time.Time{}
	}
	return r.lookFrom.Add(looks[r.next])
}

// scene gathers what does not need the log. It reports false if the utmpx file cannot be
// read: then nothing is written.
func (r *Recorder) scene(v View) (Scene, bool) {
	snap, err := r.opts.File.Snapshot(r.snap)
	switch {
	case errors.Is(err, recfile.ErrEmpty): // holds no record
	case err != nil && !errors.Is(err, recfile.ErrTooLong):
		r.snap = nil
		if !errors.Is(err, fs.ErrNotExist) { // which the daemon logs
			r.fail("the utmpx file cannot be read to record a session", err)
		}
		return Scene{}, false
	}
	r.snap = snap
	s := Scene{
		Now: r.opts.Machine.Now(), View: v, Terminals: r.terminals,
		Living: make(map[Session]bool), Began: make(map[Session]time.Time), NoDevice: make(map[string]bool), Gone: make(map[string]bool), NoShell: make(map[Session]bool),
	}
	newest := make(map[int32]time.Time) // of two sessions with one leader, the other's has ended
	for _, it := range v.Sessions {
		if it.Login() && !it.Since.Before(newest[it.Leader]) {
			newest[it.Leader] = it.Since
		}
	}
	leaders := make(map[int32]bool)
	for _, it := range v.Sessions {
		if !it.Login() || it.Since.Before(newest[it.Leader]) {
			continue
		}
		began, lives := r.opts.Machine.Lives(it)
		if !lives {
			continue
		}
		s.Living[it], leaders[it.Leader] = true, true
		if !began.IsZero() {
			s.Began[it] = began
		}
		for _, line := range named(it) {
			if !r.opts.Machine.Device(line) {
				s.NoDevice[line] = true
			}
		}
		if byLogin(it) && s.Now.Sub(it.Since) < loginMost && !r.opts.Machine.Shell(it.Leader) {
			s.NoShell[it] = true
		}
	}
	for _, rec := range snap.All() {
		s.Records = append(s.Records, rec)
	}
	s.Above = r.descent(s, leaders)
	r.findGone(s.Gone)
	return s, true
}

// descent returns from which processes those of the records descend that lead neither a
// session nor a terminal. A record's is found once, while its process is sure to be that one.
func (r *Recorder) descent(s Scene, leaders map[int32]bool) map[int32][]int32 {
	if len(leaders) == 0 {
		return nil
	}
	for _, t := range s.Terminals {
		leaders[t.Leader] = true
	}
	above, of := make(map[int32][]int32), make(map[session.OpenLogin][]int32)
	for _, rec := range s.Records {
		if rec.Type != utmpx.UserProcess || leaders[rec.PID] {
			continue
		}
		found, before := r.above[mark(rec)]
		if !before {
			found = r.opts.Machine.Above(rec.PID)
		}
		above[rec.PID], of[mark(rec)] = found, found
	}
	r.above = of
	return above
}

// findGone fills in which terminals of own records have been gone for a while.
func (r *Recorder) findGone(gone map[string]bool) {
	now := time.Now()
	since := make(map[string]time.Time)
	for _, o := range r.own {
		if !session.PseudoTerminal(o.Line) || !r.opts.Machine.Gone(o.Line) {
			continue
		}
		since[o.Line] = now
		if before, ok := r.gone[o.Line]; ok {
			since[o.Line] = before
		}
		gone[o.Line] = !since[o.Line].Add(goneFor).After(now)
	}
	r.gone = since
}

// decideAgain decides before something is written: with the terminals, records and logins
// of this very moment.
func (r *Recorder) decideAgain(ctx context.Context, v View) ([]Order, time.Time) {
	if r.terminals != nil {
		r.findTerminals()
	}
	open, known := r.openLogins(ctx)
	s, ok := r.scene(v)
	if !ok {
		return nil, time.Time{}
	}
	s.Open, s.OpenKnown = open, known
	return r.bridge.Decide(s)
}

// openLogins returns the logins that are open in the log. A log that is missing, or
// takes no records, gets none.
func (r *Recorder) openLogins(ctx context.Context) (open []session.OpenLogin, known bool) {
	logins, err := r.opts.Log.Read(ctx)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !recfile.TakesNothing(err) {
			r.fail("the wtmpx file cannot be read: logind's sessions are recorded in the utmpx file alone", err)
		}
		return nil, false
	}
	open, _ = logins.Since(0)
	return open, true
}

// carryOut reports whether an order is to be tried again.
func (r *Recorder) carryOut(ctx context.Context, orders []Order) (again bool) {
	for _, o := range orders {
		if ctx.Err() != nil {
			return false
		}
		var err error
		switch o.Kind {
		case Write, TakeOver:
			err = r.record(ctx, o)
		case Withdraw:
			err = r.withdraw(ctx, o)
		case End:
			r.ended[mark(o.Was)] = time.Now()
			r.opts.End(r.snap.Generation(), o.Slot, o.Was, r.opts.Machine.Now())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.fail("a session of logind cannot be recorded, and is tried again", err)
			again = true
		}
	}
	return again
}

// record writes the login and then the record. A crash in between heals: the login is found
// open then, and the record gets its time.
func (r *Recorder) record(ctx context.Context, o Order) error {
	rec := o.Record
	appended := false
	if o.Login {
		var err error
		appended, err = r.logIn(ctx, o, &rec)
		switch {
		case errors.Is(err, sysfile.ErrLocked):
			return err
		case err == nil, errors.Is(err, fs.ErrNotExist), recfile.TakesNothing(err):
		default: // as libc does: the session is on the machine, whatever the log says
			r.fail("a login of logind is not in the wtmpx file", err)
		}
	}
	written, err := r.put(ctx, o, rec)
	if !written {
		if appended {
			r.setHalf(o.key, rec)
		}
		return err
	}
	o.Record = rec
	r.bridge.Wrote(o)
	r.setHalf(o.key, utmpx.Record{})
	r.opts.Logger.Info("session recorded for logind", "line", rec.Line, "user", rec.User, "pid", rec.PID, "host", rec.Host, "login appended", appended)
	return nil
}

// put writes the record unless its owner has, or the session is over meanwhile: nobody could
// tell that of a record that is written later.
func (r *Recorder) put(ctx context.Context, o Order, rec utmpx.Record) (written bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if !r.lives(o.key) {
		return false, nil
	}
	looked, over := false, false
	_, err = r.opts.File.PutUnless(ctx, rec, func(at utmpx.Record) bool {
		if !looked {
			looked, over = true, !r.lives(o.key)
		}
		// The record to take over has rec's ut_id, so rec goes in its place.
		return over || InTheWay(rec, at) && !(o.Kind == TakeOver && at.Raw() == o.Was.Raw())
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

func (r *Recorder) halfDone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.half) > 0
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

// closeHalf closes the logins whose record could not be written before the session was over.
func (r *Recorder) closeHalf(s Scene, orders []Order) {
	r.mu.Lock()
	half := maps.Clone(r.half)
	r.mu.Unlock()
	for k, login := range half {
		lives := slices.ContainsFunc(orders, func(o Order) bool { return o.key == k })
		for it := range s.Living {
			lives = lives || it.Leader == k.leader && it.Since.UnixMicro() == k.since && !s.View.Known
		}
		if lives || session.PseudoTerminal(k.line) && !r.opts.Machine.Gone(k.line) {
			continue // a shell may go on without its leader
		}
		r.setHalf(k, utmpx.Record{})
		r.opts.LogOut(login, r.opts.Machine.Now(), func(closed bool) {
			if !closed {
				r.setHalf(k, login)
			}
		})
	}
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
func (r *Recorder) withdraw(ctx context.Context, o Order) error {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	dead := r.opts.Dead(o.Was, r.opts.Machine.Now())
	err := r.opts.Log.Append(ctx, func(open *openlogins.Logins) []utmpx.Record {
		ours, isOpen := open.On(o.Was.Line)
		theirs, replaced := open.On(o.Record.Line)
		if o.Record.Line == o.Was.Line || !isOpen || !replaced || ours.PID != o.Was.PID || ours.Time != o.Was.Time || theirs.PID != o.Record.PID {
			return nil
		}
		return []utmpx.Record{dead}
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !recfile.TakesNothing(err) {
		return err
	}
	done, err := r.opts.File.Swap(ctx, r.snap.Generation(), []recfile.Swap{{Slot: o.Slot, Old: o.Was, New: dead}})
	if err == nil && done[0] {
		r.opts.Logger.Info("record withdrawn: the session's owner has recorded it too", "line", o.Was.Line, "user", o.Was.User, "pid", o.Was.PID)
	}
	return err
}

// publish tells which records are the Recorder's, if that has changed.
func (r *Recorder) publish() {
	if own := r.bridge.Own(); !slices.Equal(own, r.own) {
		r.own = own
		maps.DeleteFunc(r.ended, func(o session.OpenLogin, _ time.Time) bool { return !slices.Contains(own, o) })
		r.opts.Changed(own)
	}
}

// endsAlready reports whether an order is to close a record that is being closed.
func (r *Recorder) endsAlready(o Order) bool {
	at, ordered := r.ended[mark(o.Was)]
	return o.Kind == End && ordered && time.Since(at) < endAgain
}

// fail logs an error once, until orders are carried out again.
func (r *Recorder) fail(what string, err error) {
	if text := what + err.Error(); text != r.failed {
		r.failed = text
		r.opts.Logger.Warn(what, "error", err)
	}
}

// earliest returns the earlier time that is not zero.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
