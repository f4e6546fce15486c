// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"log/slog"
	"time"

	"utmpd.dev/utmpd/internal/sdnotify"
)

// readyRetry is the delay before retrying a failed READY=1.
const readyRetry = 2 * time.Second

// readiness tells those who wait that the daemon works: whoever started it, and
// the service manager. It belongs to the goroutine of loop.
type readiness struct {
	systemd *sdnotify.Notifier
	log     *slog.Logger
	ready   func() // for whoever started the daemon

	reached bool
	retry   <-chan time.Time // when to send READY=1 again; nil unless the last one failed
	failing bool             // the last READY=1 failed, and the log says so
}

func newReadiness(systemd *sdnotify.Notifier, log *slog.Logger, ready func()) *readiness {
	return &readiness{systemd: systemd, log: log, ready: ready}
}

// reach says, once, that the daemon works.
func (r *readiness) reach() {
	r.reached = true
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
