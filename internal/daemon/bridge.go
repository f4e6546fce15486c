// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"

	"utmpd.dev/utmpd/internal/cleaner"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/logind"
	"utmpd.dev/utmpd/internal/notify"
	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/utmpx"
)

// leaderLate is how much later than its session, by the clocks of logind and the kernel, a
// leader may have started.
const leaderLate = time.Second

// logindMachine is what a bridge to logind needs of the machine.
type logindMachine struct {
	listen    func(ctx context.Context, wake <-chan struct{}, report func(logind.View))
	ptys      func(ctx context.Context, notice func(opened bool)) error // notices of terminals that come, are opened then, and go
	terminals func() ([]proc.LedTerminal, error)
	near      func(leaders []int32) ([]proc.LedTerminal, bool)
	above     func(pid int32) []int32
	session   func(pid int32) string
	device    func(name string) bool
	shell     func(leader int32) bool
	missing   func(line string) bool
}

// thisLogind is the logind of the machine that the program runs on.
func thisLogind() *logindMachine {
	return &logindMachine{
		listen: func(ctx context.Context, wake <-chan struct{}, report func(logind.View)) {
			s := logind.Source{Address: logind.Address, Wake: wake}
			s.Run(ctx, report)
		},
		ptys: func(ctx context.Context, notice func(opened bool)) error {
			return notify.Entries(ctx, "/dev/pts", notice)
		},
		terminals: proc.LedTerminals,
		near:      proc.LedBelow,
		above:     proc.Above,
		session:   proc.SessionOf,
		device:    proc.TerminalDevice,
		shell:     proc.RunsJob,
		missing:   proc.MissingTerminals(),
	}
}

// bridge connects logind's sessions with the two files.
type bridge struct {
	d         *daemon
	on        *logindMachine
	recorder  *logind.Recorder
	wake      chan struct{} // of the source
	first     chan struct{} // closed when logind has answered
	own       atomic.Pointer[[]session.OwnRecord]
	state     atomic.Pointer[bridgeState]
	leaders   map[logind.Session]session.ID       // as first seen; of the recorder's goroutine
	told      bool                                // that logind answers; of the source's goroutine
	failing   bool                                // intend does; of the recorder's goroutine
	unwatched atomic.Bool                         // no notices of terminals
	dirty     atomic.Bool                         // own has changed, and is not yet to be saved
	saved     atomic.Pointer[[]session.OwnRecord] // the own records that are in the saved table
}

// bridgeState is what is known of logind.
type bridgeState struct {
	known   bool
	was     bool // it was, earlier
	missing bool // there is no bus
	err     string
	logins  int
}

// newBridge returns nil if the sessions of logind are not to be recorded.
func (d *daemon) newBridge(own []session.OwnRecord) *bridge {
	if d.on.logind == nil || d.cfg.Logind == config.LogindNo || d.flags.dryRun {
		return nil
	}
	b := &bridge{d: d, on: d.on.logind, wake: make(chan struct{}, 1), first: make(chan struct{}), leaders: map[logind.Session]session.ID{}}
	b.own.Store(&own)
	b.saved.Store(&[]session.OwnRecord{})
	b.state.Store(&bridgeState{})
	b.recorder = logind.NewRecorder(logind.Options{
		File: pacedFile{d.file, &d.pace},
		Log:  pacedLog{openlogins.New(d.cfg.WtmpxFile, recfile.Options{System: d.on.files, Apart: d.cfg.UtmpxFile}), &d.pace},
		Machine: logind.Machine{
			Lives: b.lives, Terminals: b.terminals, Near: b.near, Above: b.on.above, Session: b.on.session, Device: b.on.device, Shell: b.on.shell, Gone: b.on.missing, Now: d.on.now,
		},
		Own:     own,
		Owed:    d.owedLogins,
		Intend:  b.intend,
		Changed: b.changed,
		End:     b.end,
		LogOut:  b.logOut,
		Missed:  b.listAnew,
		Dead:    func(r utmpx.Record, at time.Time) utmpx.Record { return cleaner.Dead(r, at, utmpx.Exit{}) },
		Logger:  d.reading.toggles.Bounded(),
	})
	return b
}

// listen reports logind's sessions to the recorder.
func (b *bridge) listen(ctx context.Context) {
	b.on.listen(ctx, b.wake, func(v logind.View) {
		if !b.d.cfg.LogindHosts {
			v = v.WithoutHosts()
		}
		b.tell(v)
		b.recorder.See(v)
	})
}

// tell logs once that logind answers, and that it does not any more.
func (b *bridge) tell(v logind.View) {
	state := bridgeState{known: v.Known, missing: errors.Is(v.Err, fs.ErrNotExist)}
	for _, s := range v.Sessions {
		if s.Login() {
			state.logins++
		}
	}
	if v.Err != nil {
		state.err = v.Err.Error()
	}
	state.was = b.told
	was := b.state.Swap(&state)
	switch {
	case v.Known && !was.known:
		b.d.reading.toggles.Log(slog.LevelInfo, "logind", "logind answers: its sessions are recorded where nobody else does", "sessions", state.logins)
	case !v.Known && (was.known || b.d.cfg.Logind == config.LogindYes && was.err != state.err):
		b.d.reading.toggles.Log(slog.LevelWarn, "no logind", "logind does not answer: its new sessions are not recorded", "error", v.Err)
	}
	if v.Known && !b.told {
		b.told = true
		close(b.first)
	}
	if state != *was {
		b.d.emit(input{at: time.Now()}) // for the status
	}
}

// watchTerminals tells the recorder of terminals that come and go, once there is a logind.
func (b *bridge) watchTerminals(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-b.first:
	}
	err := b.on.ptys(ctx, func(opened bool) {
		if opened {
			b.recorder.LookNear()
		} else {
			b.recorder.Look()
		}
	})
	if err != nil && ctx.Err() == nil {
		b.unwatched.Store(true)
		b.d.log.Warn("no notification of new terminals: those of logind's sessions are found at their login, and at heartbeats", "error", err)
	}
}

// beat looks for a bus that is missing, and for terminals if nothing tells of them. At rest
// nobody is asked anything.
func (b *bridge) beat() {
	if b.unwatched.Load() {
		b.recorder.Look()
	}
	if b.state.Load().missing {
		b.listAnew()
	}
}

// listAnew has the source look for the bus, and list logind's sessions again.
func (b *bridge) listAnew() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// maxLeaders bounds how many leaders are remembered.
const maxLeaders = 4096

// lives reports whether the leader of a session is the process that made it, and since when
// it is there, as far as that is known. Once it was seen, it must be that one still.
func (b *bridge) lives(s logind.Session) (began time.Time, lives bool) {
	p, err := b.d.on.procs.Find(s.Leader)
	if err != nil {
		return began, false
	}
	defer p.Close()
	ended, _ := p.Ended()
	s = logind.Session{ID: s.ID, Leader: s.Leader, Since: s.Since} // the rest changes
	id := p.ID()
	start := id.SinceBoot()
	if start != 0 {
		began = b.d.on.booted().Add(start)
	}
	if seen, ok := b.leaders[s]; ok {
		return began, !ended && seen.Same(id)
	}
	if ended || began.After(s.Since.Add(leaderLate)) {
		return began, false
	}
	if len(b.leaders) == maxLeaders {
		clear(b.leaders)
	}
	b.leaders[s] = id
	return began, true
}

func (b *bridge) terminals() ([]logind.Terminal, error) {
	led, err := b.on.terminals()
	if err != nil {
		return nil, err
	}
	return b.led(led), nil
}

func (b *bridge) near(leaders []int32) ([]logind.Terminal, bool) {
	led, ok := b.on.near(leaders)
	return b.led(led), ok
}

func (b *bridge) led(led []proc.LedTerminal) []logind.Terminal {
	boot := b.d.on.booted()
	all := make([]logind.Terminal, len(led))
	for i, t := range led {
		all[i] = logind.Terminal{Line: t.Line, Leader: t.Leader.PID, Start: t.Leader.Start, Since: boot.Add(t.Leader.SinceBoot()), Begins: t.SSHD}
		for _, a := range t.Above {
			all[i].Above = append(all[i].Above, logind.Process{PID: a.PID, SSHD: a.SSHD})
		}
	}
	return all
}

// changed has the table saved with the records that are the bridge's.
func (b *bridge) changed(own []session.OwnRecord) {
	b.own.Store(&own)
	b.dirty.Store(true)
	b.d.emit(input{at: time.Now()})
}

// intend keeps what the recorder is about to write, and what it has written since the table was
// saved: that is not saved before each write, since it may be large.
func (b *bridge) intend(begun []session.OwnRecord, owed []logind.Owed) {
	if b.d.begun == nil {
		return
	}
	was := *b.saved.Load()
	since := state.SpliceOf(was, *b.own.Load()) // of thousands, nearly all are the same
	saved := make(map[session.OwnRecord]bool)
	for _, o := range was[since.At : since.At+since.Old] {
		saved[o] = true
	}
	for _, o := range since.New {
		if !saved[o] {
			begun = append(begun, o)
		}
	}
	defer b.d.pace.begin("saving what is about to be recorded", slow)()
	st := state.State{BootID: b.d.bootID, Own: begun}
	st.Owed = owedDebts(owed)
	err := b.d.begun.Save(st)
	if err != nil && !b.failing {
		b.d.log.Warn("cannot save what is about to be recorded: if utmpd is killed now, a restart will not know it", "error", err)
	}
	b.failing = err != nil
}

// owedDebts returns logins that the log would not take as a state keeps them.
func owedDebts(owed []logind.Owed) (debts []session.Debt) {
	for _, o := range owed {
		raw, err := utmpx.Native().Encode(o.Login)
		if err != nil {
			continue // as a record it was not written either
		}
		debt := session.Debt{Login: utmpx.Native().Decode(string(raw)), End: o.End, After: o.From}
		if o.Logged {
			debt.Of = session.Login{Line: o.Login.Line, PID: o.Login.PID, Time: o.Login.Time}
		}
		debts = append(debts, debt)
	}
	return debts
}

// owedLogins is the reverse of owedDebts.
func owedLogins(debts []session.Debt) (owed []logind.Owed) {
	for _, d := range debts {
		owed = append(owed, logind.Owed{Login: d.Login, From: d.After, End: d.End, Logged: d.Of.Line != ""})
	}
	return owed
}

// tableSaved notes what a saved table has, in the saver's goroutine.
func (d *daemon) tableSaved(own []session.OwnRecord) {
	if d.bridge != nil && !d.saver.failing {
		d.bridge.saved.Store(&own)
	}
}

// logOut has the Cleaner close a login that has no record, unless somebody leads its line.
func (b *bridge) logOut(login utmpx.Record, at time.Time, over bool, done func(closed bool)) {
	debt := session.Debt{Login: login, End: at, Of: session.Login{Line: login.Line, PID: login.PID, Time: login.Time}}
	if over {
		b.d.cleaner.Pay([]session.Debt{debt}, func(p cleaner.Payment, err error) { done(err == nil && len(p.Waiting) == 0) })
		return
	}
	debt.After = login.Time.Time()
	found := b.d.on.procs.Gather([]session.Question{{Line: login.Line, User: login.User}})
	if len(found) != 1 || len(found[0].Leaders) > 0 || found[0].Hidden || found[0].Unsure != "" {
		done(false)
		return
	}
	b.d.cleaner.Pay([]session.Debt{debt}, func(p cleaner.Payment, err error) { done(err == nil && len(p.Waiting) == 0) })
}

// end has the Cleaner close a record whose terminal is gone.
func (b *bridge) end(gen snapshot.Generation, slot int, r utmpx.Record, at time.Time) {
	job := session.Job{Generation: gen, Slot: slot, Record: r, End: at, Found: "its terminal is gone"}
	b.d.cleaner.Clean([]session.Job{job}, func(results []session.Result) {
		for _, res := range results {
			if res.Outcome == session.Done {
				b.d.log.Info("session ended: its terminal is gone", "line", r.Line, "user", r.User, "pid", r.PID, "logout", res.Logout.String())
			} else if res.Err != nil && !errors.Is(res.Err, context.Canceled) {
				b.d.log.Debug("record not closed", "line", r.Line, "pid", r.PID, "error", res.Err)
			}
		}
	})
}
