// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"os"
	"time"

	"utmpd.dev/utmpd/internal/clock"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/notify"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/sdnotify"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/internal/watcher"
)

// machine is what the daemon runs on. A simulated one takes its place in tests.
type machine struct {
	files    sysfile.System
	procs    watcher.Kernel
	notifier func(file string) scanner.Notifier
	appends  func(log string) scanner.Notifier
	systemd  *sdnotify.Notifier

	wall func(at time.Time) time.Time     // what the wall clock showed at a moment
	up   func(at time.Time) time.Duration // how long the machine had been up then

	clocks    func() clock.Reading
	clockSet  func(ctx context.Context, notice func()) error // calls notice when the clock was set
	contained bool                                           // it is a container, whose clock is its host's

	logind *logindMachine // nil: sessions of logind are not recorded

	used       func() time.Duration                                            // processor time; nil: not known
	raiseLimit func(want int) (int, error)                                     // of open files
	lockers    func(ctx context.Context, file string) (pids []int32, all bool) // nil: nobody is looked for
	collector  collector                                                       // nil: memory is left to Go
	missing    func(c config.Fixed, dryRun, touched bool) []string             // rights that this process lacks
}

// thisMachine is the machine that the program runs on.
func thisMachine() machine {
	return machine{
		files:      sysfile.Patient(sysfile.Kernel()),
		procs:      watcher.System(),
		notifier:   func(file string) scanner.Notifier { return notify.NewInotify(file) },
		appends:    func(log string) scanner.Notifier { return notify.NewAppends(log) },
		systemd:    sdnotify.New(os.Getenv),
		wall:       func(at time.Time) time.Time { return at.Round(0) },
		up:         func(at time.Time) time.Duration { return at.Sub(proc.Boot(time.Now())) },
		clocks:     clock.Read,
		clockSet:   clock.Notices,
		contained:  proc.Contained(),
		logind:     thisLogind(),
		used:       clock.Used,
		raiseLimit: proc.RaiseLimit,
		lockers:    proc.Lockers,
		collector:  goCollector{},
		missing:    missingRights,
	}
}

// now is the time of the wall clock.
func (m machine) now() time.Time { return m.wall(time.Now()) }

// booted is when the machine booted, by the present wall clock.
func (m machine) booted() time.Time {
	at := time.Now()
	return m.wall(at).Add(-m.up(at))
}
