// SPDX-License-Identifier: BSD-2-Clause

// Package agent sends what happens on one host to the fleet's server. The log is the queue:
// nothing is kept but the log itself, and how far it was sent is read from the stream.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/here"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// Config is what an agent is told.
type Config struct {
	Host    string // the name it is enrolled by
	URL     string
	Creds   string // file
	CA      string // file; "": those of the system
	Log     *slog.Logger
	Wtmp    string
	Utmp    string
	Ledger  string // file: the boots of this machine as utmpctl boot enters them; "": none
	Mark    string // file: how far was sent, for a stream that has nothing of this host; "": none
	Machine string // id
	Boot    string // id
	// Booted returns when this boot began, by the present clock. nil: it is not known.
	Booted func() (time.Time, error)
	// TakeOver goes on, with a gap, after events of another machine with this name.
	TakeOver bool
	Beat     time.Duration
	Answer   time.Duration // how long to wait for one
	Retry    time.Duration // the longest pause after a failure
	Settled  time.Duration // how old the news is that the mark has; see [Settled]
	Waiting  func()        // called when everything was sent; for tests
	// Alive is called twice in each Watchdog while no part of the agent is stuck; nil: nobody
	// wants to know.
	Alive    func()
	Watchdog time.Duration
}

// ErrTwoHosts: another machine sends events by this host's name.
var ErrTwoHosts = errors.New("another machine has this name")

// errAgain ends a session that begins again at once: the connection is a new one.
var errAgain = errors.New("connected again")

// Agent is one that runs.
type Agent struct {
	Config
	token string
	nc    *nats.Conn
	fresh chan struct{} // a connection was made

	events *publisher

	sending, looking work
	trouble          trouble
	others           atomic.Bool // there are other servers to go to

	mu   sync.Mutex
	said string // of the connection
	when time.Time
}

// Run sends events until ctx ends. Its error is that of a configuration that cannot work.
func Run(ctx context.Context, cfg Config) error {
	a := &Agent{Config: cfg, token: wire.Token(cfg.Host), fresh: make(chan struct{}, 1)}
	if err := a.connect(); err != nil {
		return err
	}
	defer a.nc.Close()
	if a.Alive != nil && a.Watchdog > 0 {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		go a.watch(ctx)
	}
	pause := time.Duration(0)
	said := "" // of two hosts with one name
	for {
		began := time.Now()
		err := a.once(ctx)
		a.sending.rest()
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > a.Retry {
			pause = 0 // it went well meanwhile
		}
		switch {
		case errors.Is(err, errAgain):
			pause = 0
			continue
		case errors.Is(err, ErrTwoHosts):
			if said != err.Error() {
				a.Log.Error("nothing is sent: another machine sends events by this name; enrol this one by another, or see -take-over", "host", a.Host, "error", err)
			}
			pause, said = a.Retry, err.Error()
		default:
			a.Log.Warn("sending is interrupted; it goes on where it was", "error", err)
			pause = min(max(2*pause, 100*time.Millisecond), a.Retry)
			if a.missed(err) {
				pause = min(pause, a.patience()/2)
			}
		}
		if !a.sleep(ctx, pause) {
			return nil
		}
		a.elsewhere()
	}
}

// sleep pauses, by chance somewhat longer or shorter. It returns false when ctx ends.
func (a *Agent) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(jitter(d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	}
	return true
}

// jitter spreads what many agents do.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d+1) }

// connect prepares a connection, which is made in the background and made again for ever.
func (a *Agent) connect() error {
	secure, err := wire.Beyond(a.URL)
	if err != nil {
		return err
	}
	signal := func(*nats.Conn) {
		select {
		case a.fresh <- struct{}{}:
		default:
		}
	}
	opts := []nats.Option{
		nats.Name("utmpfleet agent"), nats.UserCredentials(a.Creds), nats.CustomInboxPrefix("_INBOX." + a.token),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(a.Retry / 30), nats.ReconnectJitter(a.Retry/6, a.Retry/6), // many agents come back at once
		nats.IgnoreAuthErrorAbort(), nats.PingInterval(2 * time.Minute),
		nats.ConnectHandler(signal), nats.ReconnectHandler(signal),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { a.Log.Info("disconnected", "error", err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { a.failed(err) }),
	}
	// The credentials prove who the host is, and are not sent. What is sent is private.
	if secure {
		opts = append(opts, nats.Secure())
	} else {
		opts = append(opts, nats.SetCustomDialer(here.Dialer{}))
	}
	if a.CA != "" {
		opts = append(opts, nats.RootCAs(a.CA))
	}
	if a.nc, err = nats.Connect(a.URL, opts...); err != nil {
		return fmt.Errorf("connect to %s: %w", a.URL, err)
	}
	a.events, err = a.newPublisher()
	return err
}

// failed tells what is wrong with the connection, once an hour: it may be so at each attempt.
func (a *Agent) failed(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if said := err.Error(); said == a.said && time.Since(a.when) < time.Hour {
		return
	}
	a.said, a.when = err.Error(), time.Now()
	var file *fs.PathError
	var network net.Error
	switch {
	case errors.As(err, &file):
		a.Log.Error("a file cannot be read", "error", err)
	case errors.Is(err, nats.ErrSlowConsumer):
		a.Log.Warn("too many answers came at once, and some were lost; sending goes on where it was", "error", err)
	case errors.As(err, &network), errors.Is(err, io.EOF):
		a.Log.Warn("the connection fails; it is made again", "error", err)
	default:
		a.Log.Error("refused by the server", "error", err)
	}
}

// once sends over one connection: it ends with an error, or with ctx.
func (a *Agent) once(ctx context.Context) error {
	for !a.nc.IsConnected() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.fresh:
		}
	}
	select {
	case <-a.fresh: // it is this one
	default:
	}
	a.others.Store(len(a.nc.Servers()) > 1)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	a.sending.step()
	last, err := a.lastSent(ctx)
	if err != nil {
		return err
	}
	a.trouble.stored(last.seq)
	s, err := a.resume(ctx, last)
	if err != nil {
		return err
	}
	var others sync.WaitGroup
	others.Go(func() { a.beats(ctx) })
	others.Go(func() { a.presentSessions(ctx) })
	others.Go(func() { a.snapshots(ctx) })
	go func() {
		select {
		case <-ctx.Done():
		case <-a.fresh:
			stop(errAgain)
		}
	}()
	err = s.run(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errAgain) {
		err = cause
	}
	stop(nil)
	others.Wait()
	return err
}

// beats says once a minute that this host is there.
func (a *Agent) beats(ctx context.Context) {
	body := fmt.Appendf(nil, `{"machine_id":%q,"boot_id":%q}`, a.Machine, a.Boot)
	for {
		if err := a.nc.Publish(wire.BeatSubject(a.token), body); err != nil {
			a.Log.Debug("no beat", "error", err)
		}
		if !a.sleep(ctx, a.Beat) {
			return
		}
	}
}
