// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/cleaner"
	"utmpd.dev/utmpd/internal/receiver"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/internal/watcher"
)

// The rooms know nothing of each other. Here the events of one become the input of
// another.

// input is events of one moment.
type input struct {
	at     time.Time
	events []table.Event
}

func (d *daemon) moment(at time.Time) table.Moment {
	// Messages of the rooms overtake each other. The clock of the table does not run back.
	d.mono = max(d.mono, at.Sub(d.started))
	return table.Moment{Mono: d.mono, Up: d.on.up(at), Wall: d.on.wall(at)}
}

// watcherEvents passes on events of the Watcher. All of them are one input to the loop,
// but each keeps its own time.
func (d *daemon) watcherEvents(events []watcher.Event) {
	boot := d.on.booted()
	var ins []input
	for len(events) > 0 {
		in, n := input{at: events[0].At}, 1
		for n < len(events) && events[n].At.Equal(in.at) {
			n++
		}
		in.events = make([]table.Event, n)
		for i, ev := range events[:n] {
			in.events[i] = d.fromWatcher(ev, boot)
		}
		ins = append(ins, in)
		events = events[n:]
	}
	d.emit(ins...)
}

// fromWatcher makes an event of the table from one of the Watcher. boot is the time of the
// boot by the present clock.
func (d *daemon) fromWatcher(ev watcher.Event, boot time.Time) table.Event {
	switch ev.Kind {
	case watcher.Alive:
		alive := table.Alive{PID: ev.PID, Token: ev.Token, ID: ev.ID, Nobody: ev.Nobody, Unsure: ev.Unsure, Boot: boot}
		if ev.ID.Start != 0 {
			alive.Started = boot.Add(ev.ID.SinceBoot())
		}
		return alive
	case watcher.Gone:
		return table.Gone{PID: ev.PID, Status: ev.Status}
	case watcher.Exited:
		exited := table.Exited{Token: ev.Token, Status: ev.Status}
		if !ev.Since.IsZero() {
			exited.Hidden = ev.Hidden
			exited.Late, exited.Since, exited.SinceWall = true, ev.Since.Sub(d.started), d.on.wall(ev.Since)
		}
		return exited
	case watcher.Reaped:
		return table.Reaped{Token: ev.Token, Status: ev.Status}
	case watcher.Looked:
		return table.Looked{Sightings: ev.Sightings}
	case watcher.Checked:
		return table.Checked{Terminals: ev.Terminals, Gone: ev.Gone}
	}
	return table.Gathered{Evidence: ev.Evidence}
}

// toWatcher adds the orders to watch and to forget.
func toWatcher(orders []watcher.Order, acts table.Actions) []watcher.Order {
	orders = slices.Grow(orders, len(acts.Watch)+len(acts.Forget))
	for _, pid := range acts.Watch {
		orders = append(orders, watcher.Order{Op: watcher.Watch, PID: pid})
	}
	for _, token := range acts.Forget {
		orders = append(orders, watcher.Order{Op: watcher.Forget, Token: token})
	}
	return orders
}

func (d *daemon) requests(reqs []receiver.Request) {
	pids := make([]int32, len(reqs))
	for i, r := range reqs {
		pids[i] = r.PID
	}
	d.log.Debug("request to look at processes", "pids", pids)
	d.emit(input{time.Now(), []table.Event{table.Requested{PIDs: pids}}})
}

// scannerEvent gives a reading to the loop. It blocks as emit does.
func (d *daemon) scannerEvent(ev scanner.Event) {
	select {
	case d.scans <- ev:
	case <-d.done:
	}
}

// lookAtUtmpx returns what changes with the utmpx file.
func (d *daemon) lookAtUtmpx() any {
	info, err := d.on.files.Lookup(d.cfg.UtmpxFile)
	if err != nil {
		return err.Error()
	}
	info.Accessed = time.Time{}
	return info
}

// notified logs that there are no notices of changes, and why, or that there are again.
func (d *daemon) notified(err error) {
	if err == nil {
		d.noNotices.Store(nil)
		d.reading.toggles.Log(slog.LevelInfo, "notices", "notification of changes again")
	} else {
		text := err.Error()
		d.noNotices.Store(&text)
		d.reading.toggles.Log(slog.LevelWarn, "no notices", "no notification of changes: utmpd looks each second whether the utmpx file has changed", "error", err)
	}
	d.emit(input{at: time.Now()}) // for the status
}

// cleanJobs gives jobs to the Cleaner, and its results to the table. Logouts that are
// postponed are saved before their records are marked: if utmpd is killed in between,
// its next run still knows them.
func (d *daemon) cleanJobs(jobs []session.Job) {
	clean := func() { d.cleaner.Clean(jobs, d.cleaned) }
	if slices.ContainsFunc(jobs, d.lacksLogin) {
		clean = func() { d.bridge.recorder.LogInFirst(func() { d.cleanLogged(jobs) }) }
	}
	if d.store != nil && slices.ContainsFunc(jobs, func(j session.Job) bool { return j.SkipLog }) {
		d.saveTable(clean)
		return
	}
	clean()
}

// lacksLogin reports whether a logout has to wait: the log has not taken its login yet.
func (d *daemon) lacksLogin(j session.Job) bool {
	return d.bridge != nil && !j.SkipLog && d.bridge.recorder.Owes(j.Record)
}

// errNoLogin is the error of a logout that waits for its login.
var errNoLogin = errors.New("it has not taken the login yet")

// cleanLogged gives jobs to the Cleaner but for those that still lack their login.
func (d *daemon) cleanLogged(jobs []session.Job) {
	var now []session.Job
	var failed []session.Result
	for _, j := range jobs {
		if d.lacksLogin(j) {
			failed = append(failed, session.Result{Job: j, Outcome: session.LogFailed, Err: errNoLogin})
		} else {
			now = append(now, j)
		}
	}
	if failed != nil {
		d.cleaned(failed)
	}
	if now != nil {
		d.cleaner.Clean(now, d.cleaned)
	}
}

// cleaned passes the results of jobs on to the table.
func (d *daemon) cleaned(results []session.Result) {
	d.emit(input{time.Now(), []table.Event{table.Cleaned{Results: results}}})
}

// payDebts gives the logouts that wait to the Cleaner. With -n they stay, as none is
// written. A log that takes no records is owed nothing.
func (d *daemon) payDebts(owed []session.Debt) {
	if d.bridge == nil || !slices.ContainsFunc(owed, d.lacksPaid) {
		d.payNow(owed, nil)
		return
	}
	d.bridge.recorder.LogInFirst(func() {
		var now, later []session.Debt
		for _, o := range owed {
			if d.lacksPaid(o) {
				later = append(later, o)
			} else {
				now = append(now, o)
			}
		}
		d.payNow(now, later)
	})
}

func (d *daemon) lacksPaid(o session.Debt) bool { return d.bridge.recorder.Owes(o.Login) }

// payNow pays what is owed but for later, which still lacks its login.
func (d *daemon) payNow(owed, later []session.Debt) {
	d.cleaner.Pay(slices.Clone(owed), func(p cleaner.Payment, err error) {
		paid := table.Paid{Left: later, Waiting: p.Waiting, Closed: p.Closed, Told: p.Told, Err: err}
		if err != nil && !recfile.TakesNothing(err) || d.flags.dryRun {
			left := d.leftOwed(owed, err)
			paid = table.Paid{Left: append(left, later...), Err: err, Closed: len(owed) - len(left)}
		}
		if err == nil && later != nil {
			paid.Err = errNoLogin
		}
		d.emit(input{time.Now(), []table.Event{paid}})
	})
}

// leftOwed returns which logouts stay owed. Those whose record utmpd has not marked are
// of every session that ends: without a log, or with -n, they would become ever more.
func (d *daemon) leftOwed(owed []session.Debt, err error) []session.Debt {
	if !d.flags.dryRun && !errors.Is(err, fs.ErrNotExist) {
		return owed
	}
	return slices.DeleteFunc(slices.Clone(owed), func(o session.Debt) bool { return o.By.PID > 0 })
}
