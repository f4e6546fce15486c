// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"cmp"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/cleaner"
	"utmpd.dev/utmpd/internal/receiver"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/internal/watcher"
	"utmpd.dev/utmpd/utmpx"
)

// The rooms know nothing of each other. Here what one tells becomes what
// another understands.

// input is what a room told, with its time.
type input struct {
	at     time.Time
	events []table.Event
}

func (d *daemon) moment(at time.Time) table.Moment {
	// The rooms' clocks run apart by what a message takes; the table's does not run backward.
	d.mono = max(d.mono, at.Sub(d.started))
	return table.Moment{Mono: d.mono, Wall: d.on.wall(at)}
}

// watcherEvents passes on what the Watcher learnt, all at once: what the loop does
// after each input, it does once for them. Each keeps its own time.
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

// fromWatcher translates what was learnt while the clock says that the machine was
// booted at boot.
func (d *daemon) fromWatcher(ev watcher.Event, boot time.Time) table.Event {
	switch ev.Kind {
	case watcher.Alive:
		alive := table.Alive{PID: ev.PID, Token: table.Token(ev.Token), ID: table.ID(ev.ID), Boot: boot}
		if ev.ID.Start != 0 {
			alive.Started = boot.Add(ev.ID.SinceBoot())
		}
		return alive
	case watcher.Gone:
		return table.Gone{PID: ev.PID, Status: table.Status(ev.Status)}
	case watcher.Exited:
		return table.Exited{Token: table.Token(ev.Token), Status: table.Status(ev.Status)}
	case watcher.Reaped:
		return table.Reaped{Token: table.Token(ev.Token), Status: table.Status(ev.Status)}
	}
	lines, up := make(map[string]table.Leader, len(ev.Leaders)), d.on.up(ev.At)
	for line, l := range ev.Leaders {
		lines[line] = table.Leader{
			Found:  l.Found,
			Hidden: l.Exists && !l.Found && ev.Err != nil,
			ID:     table.ID(l.ID),
			Age:    up - l.ID.SinceBoot(),
		}
	}
	return table.Leaders{Lines: lines}
}

// toWatcher adds the Watcher's orders, but for the leaders to be found.
func toWatcher(orders []watcher.Order, acts table.Actions) []watcher.Order {
	orders = slices.Grow(orders, len(acts.Watch)+len(acts.Forget))
	for _, pid := range acts.Watch {
		orders = append(orders, watcher.Order{Op: watcher.Watch, PID: pid})
	}
	for _, token := range acts.Forget {
		orders = append(orders, watcher.Order{Op: watcher.Forget, Token: watcher.Token(token)})
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

// scannerEvent passes on a reading, as emit does an input.
func (d *daemon) scannerEvent(ev scanner.Event) {
	select {
	case d.scans <- ev:
	case <-d.done:
	}
}

// cleanJobs hands jobs to the Cleaner, and its results to the table. Logouts that
// are left out for later are saved before the records are marked: killed in
// between, utmpd would owe them and not know.
func (d *daemon) cleanJobs(jobs []table.Job) {
	out := make([]cleaner.Job, len(jobs))
	for i, j := range jobs {
		out[i] = cleaner.Job{
			Generation: j.Generation, Slot: j.Slot, Record: j.Record,
			End: j.End, Exit: j.Status.Exit(), SkipLog: j.SkipLog,
		}
	}
	clean := func() { d.cleaner.Clean(out, d.cleaned(jobs)) }
	if d.store != nil && slices.ContainsFunc(jobs, func(j table.Job) bool { return j.SkipLog }) {
		d.saver.save(d.state(), clean)
		return
	}
	clean()
}

// cleaned passes the results of jobs on to the table.
func (d *daemon) cleaned(jobs []table.Job) func([]cleaner.Result) {
	return func(results []cleaner.Result) {
		back := make([]table.Result, len(results))
		for i, r := range results {
			back[i] = table.Result{Job: jobs[i], Outcome: outcomes[r.Outcome], Logout: logouts[r.Logout], Err: r.Err}
		}
		d.emit(input{time.Now(), []table.Event{table.Cleaned{Results: back}}})
	}
}

var outcomes = map[cleaner.Outcome]table.Outcome{
	cleaner.Done: table.Done, cleaner.Changed: table.Changed, cleaner.Busy: table.Busy,
	cleaner.Failed: table.Failed, cleaner.LogFailed: table.LogFailed, cleaner.DryRun: table.DryRun,
}

var logouts = map[cleaner.Logout]table.Logout{
	cleaner.NoLogout: table.NoLogout, cleaner.Appended: table.Appended,
	cleaner.Closed: table.Closed, cleaner.Owed: table.LogoutOwed,
}

// payDebts hands the logouts that wait to the Cleaner. With -n, which writes none,
// they wait on.
func (d *daemon) payDebts(owed []table.Owed) {
	out := make([]cleaner.Debt, len(owed))
	for i, o := range owed {
		out[i] = cleaner.Debt{Login: o.Login, End: o.End, Exit: o.Status.Exit()}
	}
	d.cleaner.Pay(out, func(err error) {
		paid := table.Paid{Err: err}
		if err != nil || d.flags.dryRun {
			paid.Left = owed
		}
		d.emit(input{time.Now(), []table.Event{paid}})
	})
}

// saved turns the table's state into the file's, and back.
func saved(st table.State, bootID string, gen snapshot.Generation) state.State {
	out := state.State{BootID: bootID, Alive: st.Alive, File: [2]uint64{gen.Dev, gen.Ino}}
	slices.SortStableFunc(st.Sessions, func(a, b table.SessionState) int {
		return cmp.Or(cmp.Compare(a.ID.PID, b.ID.PID), cmp.Compare(a.ID.Start, b.ID.Start), cmp.Compare(a.ID.Inode, b.ID.Inode))
	})
	// One piece of memory for all of each: there may be tens of thousands.
	out.Procs = make([]state.Proc, 0, len(st.Sessions))
	records, first := make([]state.Record, 0, len(st.Sessions)), 0
	for i, s := range st.Sessions {
		if i == 0 || s.ID != st.Sessions[i-1].ID {
			first = i
			out.Procs = append(out.Procs, state.Proc{PID: s.ID.PID, Start: s.ID.Start, Inode: s.ID.Inode, Since: s.Since})
		}
		wait := int32(-1)
		if s.Status.Known {
			wait = s.Status.Wait
		}
		records = append(records, state.Record{
			Slot: s.Slot, Sum: s.Sum, Leader: s.Led, Ended: s.End, Found: !s.End.IsZero() && !s.Exact, Wait: wait,
		})
		out.Procs[len(out.Procs)-1].Records = records[first : i+1 : i+1]
	}
	for _, o := range st.Owed {
		if !state.InCalendar(o.End) { // a hostile record's: with it nothing would be saved
			continue
		}
		debt := state.Owed{Login: []byte(o.Login.Raw()), Layout: o.Login.Layout().Name(), End: o.End, Wait: -1}
		if o.Status.Known {
			debt.Wait = o.Status.Wait
		}
		out.Owed = append(out.Owed, debt)
	}
	return out
}

func restored(st state.State) table.State {
	status := func(wait int32) table.Status {
		if wait < 0 {
			return table.Status{}
		}
		return table.Status{Known: true, Wait: wait}
	}
	out := table.State{Alive: st.Alive}
	for _, p := range st.Procs {
		for _, r := range p.Records {
			out.Sessions = append(out.Sessions, table.SessionState{
				Slot: r.Slot, Sum: r.Sum, ID: table.ID{PID: p.PID, Start: p.Start, Inode: p.Inode},
				Led: r.Leader, Since: p.Since, End: r.Ended, Exact: !r.Ended.IsZero() && !r.Found, Status: status(r.Wait),
			})
		}
	}
	for _, o := range st.Owed {
		l, err := utmpx.ByName(o.Layout)
		if err != nil || len(o.Login) != l.Size() {
			continue
		}
		out.Owed = append(out.Owed, table.Owed{Login: l.Decode(string(o.Login)), End: o.End, Status: status(o.Wait)})
	}
	return out
}
