// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"os"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/status"
	"utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/internal/watcher"
)

// emit gives inputs to the loop. It blocks while the loop is behind, and drops
// them once the loop has ended.
func (d *daemon) emit(ins ...input) {
	select {
	case d.inputs <- ins:
	case <-d.done:
	}
}

// loop owns the table: it takes in what happens, and hands out what follows. It
// returns nil when ctx ends.
func (d *daemon) loop(ctx context.Context, hup <-chan os.Signal, failed <-chan error) error {
	defer d.stopTimers()
	for {
		idle := false // nothing happened that the table did not know
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case ins := <-d.inputs:
			idle = len(ins[0].events) == 0 // a heartbeat
			d.handle(ins...)
		case ev := <-d.scans:
			idle = ev.Periodic && ev.Snapshot == d.reading.snap
			if err := d.scanned(ev); err != nil {
				return err
			}
			if idle {
				d.memory.rest()
			}
		case <-d.wake.C:
			d.handleNow(table.Tick{})
		case <-hup:
			d.reload()
		case <-d.watchdog.due:
			idle = true
			d.watchdog.notify()
		case <-d.memory.due.C:
			idle = true
			d.memory.rest()
		case <-d.readiness.seen():
			d.readiness.reach()
		case <-d.readiness.late:
			d.readiness.reach()
		case <-d.readiness.retry:
			d.readiness.notify()
		case <-d.saver.due.C:
			d.saveTable()
		case <-d.saver.retry:
			d.saveTable()
		case <-d.meter.due.C: // setStatus writes them
		}
		d.handOut(idle)
	}
}

func (d *daemon) stopTimers() {
	d.wake.Stop()
	d.saver.due.Stop()
	d.meter.due.Stop()
	d.memory.due.Stop()
	d.watchdog.stop()
}

// handOut brings everything that follows from the table up to date.
func (d *daemon) handOut(idle bool) {
	if at, ok := d.table.Next(); ok {
		d.wake.Reset(max(0, at-time.Since(d.started)))
	} else {
		d.wake.Stop()
	}
	if d.table.Dirty() || d.bridge != nil && d.bridge.dirty.Swap(false) {
		d.saver.schedule()
	}
	if !idle {
		d.memory.work()
	}
	if !d.readiness.begun && d.reading.done && d.table.Counts().Asking == 0 {
		d.logStart()
		d.readiness.begin()
	}
	if d.readiness.begun {
		d.setStatus(status.Running, !idle)
	} else {
		d.setStatus(status.Starting, !idle)
	}
}

func (d *daemon) handleNow(ev table.Event) {
	d.handle(input{time.Now(), []table.Event{ev}})
}

// handle has the table judge what happened, and sends off its orders: all
// together, since many cost a room little more than one.
func (d *daemon) handle(ins ...input) {
	var watch []watcher.Order
	var questions []session.Question
	var sights []session.Sight
	var check, release []uint64
	var jobs []session.Job
	reports := make([][]session.Report, len(ins))
	for i, in := range ins {
		acts := d.table.Handle(d.moment(in.at), in.events...)
		reports[i] = acts.Reports
		watch = toWatcher(watch, acts)
		sights = joined(sights, acts.Look)
		questions = joined(questions, acts.Gather)
		check, release = joined(check, acts.Check), joined(release, acts.Release)
		jobs = joined(jobs, acts.Clean)
		if acts.Pay != nil {
			d.payDebts(acts.Pay)
		}
		if acts.Rescan {
			d.scanner.Rescan()
		}
	}
	for _, o := range []watcher.Order{
		{Op: watcher.Look, Sights: sights}, {Op: watcher.Gather, Questions: questions},
		{Op: watcher.Check, Terminals: check}, {Op: watcher.Release, Terminals: release},
	} {
		if o.Sights != nil || o.Questions != nil || o.Terminals != nil {
			watch = append(watch, o)
		}
	}
	if watch != nil {
		d.watcher.Do(watch)
	}
	if jobs != nil {
		d.cleanJobs(jobs)
	}
	for i, in := range ins {
		d.report(in.at, reports[i])
	}
}

// joined is a and b, and copies neither if the other is empty.
func joined[T any](a, b []T) []T {
	if len(a) == 0 {
		return b
	}
	return append(a, b...)
}
