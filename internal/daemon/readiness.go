// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"log/slog"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/sdnotify"
	"utmpd.dev/utmpd/internal/status"
)

// readyRetry is the delay before retrying a failed READY=1.
const readyRetry = 2 * time.Second

// shownWithin bounds how long the start waits for the status to say that the daemon is at
// work: a directory that hangs must not hold the start up.
const shownWithin = time.Second

// readiness tells those who wait that the daemon works: whoever started it, and
// the service manager. It does so when the status says it, so that whoever then asks
// utmpctl finds it at work. It belongs to the goroutine of loop, but for saw.
type readiness struct {
	systemd *sdnotify.Notifier
	log     *slog.Logger
	ready   func() // for whoever started the daemon

	begun   bool             // the daemon works
	shown   chan struct{}    // the status says so
	once    sync.Once        // closes shown
	late    <-chan time.Time // when to wait for it no more; nil before begin and after reach
	reached bool             // and those who wait know it
	retry   <-chan time.Time // when to send READY=1 again; nil unless the last one failed
	failing bool             // the last READY=1 failed, and the log says so
}

func newReadiness(systemd *sdnotify.Notifier, log *slog.Logger, ready func()) *readiness {
	return &readiness{systemd: systemd, log: log, ready: ready, shown: make(chan struct{})}
}

// begin says that the daemon works, which the status is to say first.
func (r *readiness) begin() {
	r.begun, r.late = true, time.After(shownWithin)
}

// saw says that a status was written, or could not be. Any goroutine may call it.
func (r *readiness) saw(s status.State) {
	if s == status.Running {
		r.once.Do(func() { close(r.shown) })
	}
}

// seen is closed, or nil once nobody waits for it.
func (r *readiness) seen() <-chan struct{} {
	if r.reached {
		return nil
	}
	return r.shown
}

// reach tells those who wait, once.
func (r *readiness) reach() {
	if r.reached {
		return
	}
	r.reached, r.late = true, nil
	r.ready()
	r.notify()
}

// notify sends READY=1, again until it succeeds: a service manager that receives
// none ends the service.
func (r *readiness) notify() {
	r.retry = nil
	err := r.systemd.Ready()
	if err != nil {
		r.retry = time.After(readyRetry)
	}
	if err != nil && !r.failing {
		r.log.Warn("cannot notify the service manager that utmpd is ready", "error", err)
	}
	r.failing = err != nil
}

// reloading says that the settings are being read again, until the returned
// function is called. Before the daemon is ready the service manager waits for
// the start alone, and neither is sent.
func (r *readiness) reloading() (done func()) {
	if !r.reached {
		return func() {}
	}
	_ = r.systemd.Reloading()
	return r.notify
}
