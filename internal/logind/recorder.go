// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

const (
	lockWait = 3 * time.Second // for the lock of either file
	firstTry = time.Second     // after an order that failed
	lastTry  = time.Minute     // the longest pause
	goneFor  = 5 * time.Second // a terminal is gone before its record is closed: its owner may
	endAgain = time.Minute     // before a record that was ordered to be closed is ordered again

	// Work takes a part of a processor in the long run. A login is looked for without a pause.
	mostRest  = time.Second
	restRatio = 10
	mostSaved = 50 * time.Millisecond // of work
)

// RecordFile is the utmpx file: a [recfile.File].
type RecordFile interface {
	Snapshot(prev *snapshot.Snapshot) (*snapshot.Snapshot, error)
	PutUnless(ctx context.Context, r, over utmpx.Record, taken func(at utmpx.Record) bool) (slot int, err error)
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
	Near      func(leaders []int32) ([]Terminal, bool) // those of Terminals that are theirs, if that can be told sooner
	Above     func(pid int32) []int32                  // from which processes it descends
	Session   func(pid int32) string                   // the id of the session in whose control group it is
	Device    func(name string) bool                   // a terminal below /dev has that name
	Shell     func(leader int32) bool                  // login(1), which it is, may have started the shell
	Gone      func(line string) bool                   // the terminal surely is
	Now       func() time.Time                         // by the wall clock
}

// Options configure a Recorder. All are required.
type Options struct {
	File    RecordFile
	Log     LoginLog
	Machine Machine
	Own     []session.OwnRecord // the records of an earlier run, and what it was about to write

	Owed []Owed // the logins that the log would not take from it

	// Intend keeps what is about to be written, for Own of a later run, and the logins that the
	// log would not take, for its Owed, and returns once that would survive a kill. It gets all
	// that has no record yet.
	Intend func(begun []session.OwnRecord, owed []Owed)

	// Changed is told the records that are the Recorder's. End closes a record of a session
	// whose terminal is gone, in both files. Dead returns a record as it is after its end.
	// Run's goroutine calls them.
	Changed func(own []session.OwnRecord)
	End     func(gen snapshot.Generation, slot int, r utmpx.Record, at time.Time)
	Dead    func(r utmpx.Record, at time.Time) utmpx.Record

	// LogOut closes a login that has no record, and tells whether it is closed. It does not
	// block; done may be called in any goroutine. If it is over, whoever leads its line now is
	// of another session.
	LogOut func(login utmpx.Record, at time.Time, over bool, done func(closed bool))

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
	open bool                 // a new terminal may have been opened
	half map[key]utmpx.Record // logins that were appended, and have no record yet
	owed owings
	then []func() // of LogInFirst

	begun []session.OwnRecord // of an earlier run: what has no record may have a login

	// Of Run's goroutine.
	snap      *snapshot.Snapshot
	records   []utmpx.Record // of snap; nil at rest
	index     *recordIndex   // of records
	terminals []Terminal
	known     map[identity]Session // those that were looked for
	answered  bool                 // logind did, at the last look
	strays    map[stray]bool       // terminals of sshd that had no session
	above     map[session.OpenLogin][]int32
	next      int // of looks
	lookFrom  time.Time
	came      bool                            // a new terminal was found since then
	found     time.Time                       // when the last look began
	near      map[stray]time.Time             // when a terminal was last seen without one
	gone      map[string]time.Time            // since when a terminal is
	ended     map[session.OpenLogin]time.Time // when a record was ordered to be closed
	intended  []session.OwnRecord             // by the orders that are carried out, or were last
	pause     time.Duration                   // before a failed order is tried again
	failed    string                          // as last logged
	own       []session.OwnRecord
}

// NewRecorder returns a Recorder that does nothing until [Recorder.Run].
func NewRecorder(o Options) *Recorder {
	return &Recorder{
		opts: o, bridge: NewBridge(o.Own), own: o.Own, begun: o.Own, news: make(chan struct{}, 1), owed: owingsOf(o.Owed),
		next: len(looks), gone: make(map[string]time.Time), ended: make(map[session.OpenLogin]time.Time), half: make(map[key]utmpx.Record), pause: firstTry,
	}
}

// See takes in the sessions that logind has now. Those in which nobody has logged in, as the jobs
// of cron, which come and go all the time, are no news.
func (r *Recorder) See(v View) {
	r.mu.Lock()
	before := r.view
	r.view = v
	r.mu.Unlock()
	if !v.logins().equal(before.logins()) {
		r.Wake()
	}
}

// Look tells that a terminal may have come or gone.
func (r *Recorder) Look() {
	r.mu.Lock()
	r.look = true
	r.mu.Unlock()
	r.Wake()
}

// LookNear tells that a new terminal may have been opened: sshd's child does once it leads it.
func (r *Recorder) LookNear() {
	r.mu.Lock()
	r.open = true
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
	pace := pace{saved: mostSaved, at: time.Now()}
	for ctx.Err() == nil {
		began := time.Now()
		due := r.work(ctx, began)
		if due.IsZero() {
			r.records, r.index = nil, nil // at rest: they take several times what the snapshot does
		}
		rest(ctx, pace.after(began, time.Now()))
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

// pace gives whoever makes terminals or records in a loop a part of a processor, not all.
type pace struct {
	saved time.Duration // how long may be worked without a pause; negative: what was too much
	at    time.Time     // when that was so
}

// after returns how long to rest after a piece of work.
func (p *pace) after(began, now time.Time) time.Duration {
	p.saved = min(p.saved+began.Sub(p.at)/restRatio, mostSaved) - now.Sub(began)
	p.saved = max(p.saved, -mostRest/restRatio) // to wait for a lock is no work
	p.at = now
	return max(0, -p.saved*restRatio)
}

func rest(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// work decides and carries out once, and returns when to do so again, by the clock of now.
func (r *Recorder) work(ctx context.Context, now time.Time) (due time.Time) {
	view, opened := r.takeNews(now)
	then := r.takeFirst()
	defer func() {
		for _, f := range then {
			f()
		}
	}()
	if !view.Known && len(r.own) == 0 && !r.halfDone() {
		r.next = len(looks)
		return time.Time{}
	}
	r.lookAround(view, now, opened)
	s, ok := r.scene(view)
	if !ok {
		return r.nextLook()
	}
	r.takeUp(ctx, s)
	orders, next := r.bridge.Decide(s)
	orders = slices.DeleteFunc(orders, r.endsAlready)
	if slices.ContainsFunc(orders, func(o Order) bool { return o.Kind <= TakeOver }) {
		orders, next = r.decideAgain(ctx, view, orders)
		orders = slices.DeleteFunc(orders, r.endsAlready)
	}
	if !next.IsZero() {
		due = now.Add(next.Sub(s.Now))
	}
	done, again := r.carryOut(ctx, orders)
	switch owes := r.logInLater(ctx, s); {
	case again || owes:
		due = earliest(due, now.Add(r.pause))
		r.pause = min(2*r.pause, lastTry)
	case len(orders) > 0:
		r.pause, r.failed = firstTry, ""
	}
	if done {
		r.Wake() // what follows from the orders: nothing, or one more
	}
	r.closeHalf(ctx, s, orders)
	due = earliest(due, r.closeOwed())
	r.publish()
	for _, since := range r.gone {
		if since.Add(goneFor).After(now) {
			due = earliest(due, since.Add(goneFor))
		}
	}
	return earliest(due, r.nextLook())
}

// takeNews returns the newest view, and whether a terminal was opened. With a session in the
// view that was not there, or after Look, terminals are looked for anew.
func (r *Recorder) takeNews(now time.Time) (v View, opened bool) {
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
	opened = r.open
	r.look, r.open, r.known, r.answered = false, false, known, r.view.Known
	if fresh {
		r.next, r.lookFrom = 0, now
	}
	return r.view, opened
}

// publish tells which records are the Recorder's, if that has changed.
func (r *Recorder) publish() {
	if own := r.bridge.Own(); !slices.Equal(own, r.own) {
		r.own = own
		maps.DeleteFunc(r.ended, func(o session.OpenLogin, _ time.Time) bool { return !r.bridge.owns(o) })
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
