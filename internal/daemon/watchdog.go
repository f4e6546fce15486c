// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"time"

	"utmpd.dev/utmpd/internal/sdnotify"
)

// watchdog shows the service manager that the loop still runs.
type watchdog struct {
	systemd *sdnotify.Notifier
	due     <-chan time.Time // nil if the service manager wants no watchdog
	stop    func()
}

// newWatchdog returns a watchdog that is due twice in each interval.
func newWatchdog(systemd *sdnotify.Notifier) *watchdog {
	w := &watchdog{systemd: systemd, stop: func() {}}
	if every := systemd.WatchdogInterval() / 2; every > 0 {
		t := time.NewTicker(every)
		w.due, w.stop = t.C, t.Stop
	}
	return w
}

func (w *watchdog) notify() { _ = w.systemd.Watchdog() }
