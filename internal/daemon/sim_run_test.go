// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"utmpd.dev/utmpd/internal/clock"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/sdnotify"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/watcher"
)

// simRun is one life of utmpd.
type simRun struct {
	w       *simWorld
	n       int
	d       *daemon
	cancel  context.CancelFunc
	ended   chan error
	dead    bool
	calls   int
	killAt  int
	table   []byte // the file of its table, as it left it; nil: it must be saved whole
	whole   int    // bytes of table that were saved whole
	handles map[*simHandle]struct{}
	pidfds  int
	ptys    int // terminals in view
	notice  func()
	logged  func() // tells that the log was appended to
	set     func() // tells that the clock was set
}

// Run and Renew are the Notifier of a run of utmpd's.
func (r *simRun) Run(ctx context.Context, notice func()) error {
	r.w.mu.Lock()
	r.notice = notice
	r.w.mu.Unlock()
	notice()
	<-ctx.Done()
	return nil
}

func (r *simRun) Renew() {}

// simAppends is the Notifier of the log.
type simAppends struct{ *simRun }

func (r simAppends) Run(ctx context.Context, notice func()) error {
	r.w.mu.Lock()
	r.logged = notice
	r.w.mu.Unlock()
	notice()
	<-ctx.Done()
	return nil
}

func (r *simRun) clocks() clock.Reading {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	now := time.Now()
	return clock.Reading{Wall: r.w.wallAt(now), Up: r.w.up(now)}
}

func (r *simRun) clockSet(ctx context.Context, notice func()) error {
	r.w.mu.Lock()
	r.set = notice
	r.w.mu.Unlock()
	<-ctx.Done()
	return nil
}

// start has utmpd run, with the last but back states saved; none if that is
// more than there are.
func (w *simWorld) start(back int) {
	w.mu.Lock()
	if w.run != nil && !w.run.dead {
		w.mu.Unlock()
		return
	}
	old := w.run
	w.mu.Unlock()
	if old != nil {
		w.wait(old)
	}
	w.mu.Lock()
	w.runs++
	w.disturb(0)
	r := &simRun{w: w, n: w.runs, ended: make(chan error, 1), handles: map[*simHandle]struct{}{}}
	to := simStore{simRun: r, err: fs.ErrNotExist, back: back}
	if i := len(w.saved) - 1 - back; i >= 0 && back >= 0 {
		to.st, to.err = state.State{}, nil
		if to.err = to.st.UnmarshalBinary(w.saved[i]); to.err != nil {
			w.broken("4: the saved table cannot be read: %v", to.err)
		}
	}
	for _, s := range w.sessions { // what it owed them may be forgotten with its state
		s.forgotten = s.forgotten || s.marked && back != 0
	}
	switch {
	case r.n == 1:
	case to.err != nil:
		w.count("restart without state")
	case back > 0:
		w.count("restart with a stale state")
	default:
		w.count("restart with state")
	}
	w.tell("utmpd starts: %d, with state: %v", r.n, to.err == nil)
	w.run = r
	w.mu.Unlock()
	var kernel watcher.Kernel = simKernel{r}
	if w.polling {
		kernel = watcher.Polling(kernel)
	}
	on := machine{
		files: simFiles{r}, procs: kernel,
		notifier:   func(string) scanner.Notifier { return r },
		appends:    func(string) scanner.Notifier { return simAppends{r} },
		systemd:    sdnotify.New(func(string) string { return "" }),
		wall:       func(at time.Time) time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.wallAt(at) },
		up:         w.up,
		clocks:     r.clocks,
		clockSet:   r.clockSet,
		raiseLimit: func(want int) (int, error) { return want, nil },
		missing:    func(config.Fixed, bool, bool) []string { return nil },
	}
	cfg := config.Config{
		Reloadable: config.Reloadable{
			GracePeriod: w.grace, ScanPeriod: w.scan,
			MaxFDs: w.maxFDs, WtmpxUpdateFreq: 10 * time.Minute, KeepBusyLines: true,
		},
		Fixed: config.Fixed{UtmpxFile: utmpName, WtmpxFile: wtmpName},
	}
	if w.bridge != nil {
		on.logind, cfg.Logind = w.bridge.machine(), config.LogindAuto
	}
	handler := slog.Handler(slog.DiscardHandler)
	if w.log != nil {
		handler = slog.NewTextHandler(simLog{w}, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	d := newDaemon(flags{}, cfg, logger{slog.New(handler), io.NopCloser(nil)}, func() {}, on)
	r.d, d.bootID, d.store, d.begun = d, bootID, to, simBegun(to)
	d.loadTable()
	d.build()
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.ended <- d.live(ctx, nil) }()
}

// simLog is the log of a world that is looked at.
type simLog struct{ w *simWorld }

func (l simLog) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.tell("    %s", bytes.TrimSpace(p))
	return len(p), nil
}

// kill ends utmpd at once: no call of it does anything any more. The world is locked.
func (r *simRun) kill() {
	r.w.tell("utmpd is killed at call %d", r.calls)
	r.w.count("utmpd killed")
	r.dead = true
	r.w.disturb(0)
	for h := range r.handles {
		if !h.waits {
			_ = h.h.Close()
		}
	}
	clear(r.handles)
	r.cancel()
}

// stop ends utmpd under control.
func (w *simWorld) stop() {
	w.mu.Lock()
	r := w.run
	w.disturb(0)
	w.mu.Unlock()
	if r == nil || r.dead {
		return
	}
	r.cancel()
	w.wait(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.dead {
		return // killed on its way out
	}
	r.dead = true
	if len(r.handles) != 0 && len(w.holders) == 0 {
		w.broken("5: %d files are open at the end", len(r.handles))
	}
	for h := range r.handles { // its threads that wait for a lock end with it
		if !h.waits {
			_ = h.h.Close()
		}
	}
	clear(r.handles)
	if r.pidfds != 0 || r.ptys != 0 {
		w.broken("5: %d pidfds and %d terminals are open at the end", r.pidfds, r.ptys)
	}
}

// wait waits for utmpd to end, which may take as long as a few failing writes.
func (w *simWorld) wait(r *simRun) {
	select {
	case err := <-r.ended:
		r.ended <- err
		if err != nil && !r.dead {
			w.mu.Lock()
			w.broken("5: utmpd ended: %v", err)
			w.mu.Unlock()
		}
	case <-time.After(10 * time.Second):
		w.mu.Lock()
		w.broken("5: utmpd does not end")
		w.mu.Unlock()
	}
}
