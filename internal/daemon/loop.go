// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/internal/watcher"
)

// saveEvery is the least time between two writings of the table.
const saveEvery = time.Second

// readyAgain is the pause before READY=1 is sent again that could not be sent.
const readyAgain = 2 * time.Second

// emit gives inputs to the loop. It blocks while the loop is behind, and drops
// them once the daemon ends.
func (d *daemon) emit(ins ...input) {
	select {
	case d.inputs <- ins:
	case <-d.done:
	}
}

// loop owns the table. It returns nil when ctx ends.
func (d *daemon) loop(ctx context.Context, hup <-chan os.Signal, failed <-chan error) error {
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	save := time.NewTimer(0)
	save.Stop()
	saving := false
	watchdog, stop := d.watchdog()
	defer stop()
	defer d.memory.due.Stop()
	for {
		idle := false
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case ins := <-d.inputs:
			idle = len(ins[0].events) == 0 // a heartbeat
			d.handle(ins...)
		case ev := <-d.scans:
			idle = ev.Periodic && ev.Snapshot == d.snap
			d.takeScan(ev)
			if idle {
				d.memory.rest()
			}
			if err := d.displaced(ev); err != nil {
				return err
			}
		case <-wake.C:
			d.handleNow(table.Tick{})
		case <-hup:
			d.reload()
		case <-watchdog:
			idle = true
			_ = d.systemd.Watchdog()
		case <-d.memory.due.C:
			idle = true
			d.memory.rest()
		case <-d.unheard:
			d.tellManager()
		case <-save.C:
			saving = false
			d.saver.give(d.state())
		}
		if at, ok := d.table.Next(); ok {
			wake.Reset(max(0, at-time.Since(d.started)))
		} else {
			wake.Stop()
		}
		if d.saver != nil && d.table.Dirty() && !saving {
			saving = true
			save.Reset(d.saver.pause(saveEvery))
		}
		if !idle {
			d.memory.work()
		}
		d.tellReady()
		d.showStatus(d.phase())
	}
}

func (d *daemon) watchdog() (<-chan time.Time, func()) {
	every := d.systemd.WatchdogInterval() / 2
	if every <= 0 {
		return nil, func() {}
	}
	t := time.NewTicker(every)
	return t.C, t.Stop
}

func (d *daemon) handleNow(ev table.Event) {
	d.handle(input{time.Now(), []table.Event{ev}})
}

// handle has the table judge what happened, and then sends its orders off: all
// together, since the rooms carry out many at the cost of one.
func (d *daemon) handle(ins ...input) {
	var watch []watcher.Order
	var lines []string
	var jobs []table.Job
	reports := make([][]table.Report, len(ins))
	for i, in := range ins {
		acts := d.table.Handle(d.moment(in.at), in.events...)
		reports[i] = acts.Reports
		watch = toWatcher(watch, acts)
		lines = joined(lines, acts.FindLeaders)
		jobs = joined(jobs, acts.Clean)
		if acts.Pay != nil {
			d.payDebts(acts.Pay)
		}
		if acts.Rescan {
			d.scanner.Rescan()
		}
	}
	if lines != nil {
		watch = append(watch, watcher.Order{Op: watcher.FindLeaders, Lines: lines})
	}
	if watch != nil {
		d.watcher.Do(watch)
	}
	if jobs != nil {
		d.cleanJobs(jobs)
	}
	for i, in := range ins {
		for _, r := range reports[i] {
			d.reporter.report(r)
			if r.Kind == table.Ended {
				d.lastClean = in.at
			}
		}
	}
}

// joined is a and b, and copies neither if the other is empty.
func joined[T any](a, b []T) []T {
	if len(a) == 0 {
		return b
	}
	return append(a, b...)
}

// takeScan passes on a reading. A file that cannot be read for now is not an
// empty one: what is known of its records stands. One that is not there has none.
func (d *daemon) takeScan(ev scanner.Event) {
	unread := ev.Err != nil && !errors.Is(ev.Err, fs.ErrNotExist) && !errors.Is(ev.Err, recfile.ErrEmpty) && !errors.Is(ev.Err, recfile.ErrTooLong)
	if unread {
		d.log.Debug("utmpx file not read", "took", ev.Took, "because", d.cause(ev))
	} else {
		d.log.Debug("utmpx file read", "records", ev.Snapshot.Len(), "took", ev.Took, "because", d.cause(ev))
	}
	d.scanned = true
	d.tellScanError(ev.Err)
	if unread {
		return
	}
	d.lastScan, d.snap = ev.Began, ev.Snapshot
	began := ev.Began.Sub(d.started) // not moment's, which never lies behind what the table has heard
	d.handleNow(table.Scanned{Snapshot: ev.Snapshot, Began: began, Periodic: ev.Periodic})
}

func (d *daemon) cause(ev scanner.Event) string {
	switch {
	case !d.scanned:
		return "start"
	case ev.Periodic:
		return "SCAN_PERIOD"
	}
	return "notice"
}

// tellScanError tells what is wrong with the file once, and when it is right again.
func (d *daemon) tellScanError(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == d.scanErr {
		return
	}
	d.scanErr = text
	switch {
	case err == nil:
		d.log.Info("the utmpx file can be read", "file", d.cfg.UtmpxFile)
	case errors.Is(err, fs.ErrNotExist):
		d.log.Info("no utmpx file yet: waiting for it", "file", d.cfg.UtmpxFile)
	case errors.Is(err, recfile.ErrTooLong):
		d.log.Warn("the utmpx file is too long: the records behind these are not judged", "error", err)
	default:
		d.log.Warn("the utmpx file cannot be read; what is known of it stands", "error", err)
	}
}

// tellReady tells, once, that the daemon works: the file has been read and each
// process in it been asked about.
func (d *daemon) tellReady() {
	if d.ready == nil || !d.scanned || d.table.Counts().Asking > 0 {
		return
	}
	d.startLine()
	d.ready()
	d.ready = nil
	d.tellManager()
}

// tellManager tells the service manager that utmpd works, again until that
// could be sent: a manager that does not hear of it ends the service.
func (d *daemon) tellManager() {
	d.unheard = nil
	err := d.systemd.Ready()
	if err != nil {
		d.unheard = time.After(readyAgain)
	}
	if err != nil && !d.mute {
		d.log.Warn("the service manager could not be told that utmpd works", "error", err)
	}
	d.mute = err != nil
}

func (d *daemon) phase() string {
	if d.ready != nil {
		return "starting"
	}
	return "running"
}

// reload reads the configuration again. A file with a fault in it changes nothing.
func (d *daemon) reload() {
	if d.ready == nil { // before, it is the start that the manager waits for
		_ = d.systemd.Reloading()
		defer d.tellManager()
	}
	cfg, warnings, err := config.Load(d.flags.config)
	if err != nil {
		d.log.Error("configuration not read: the old settings stay in force", "error", err)
		return
	}
	for _, w := range warnings {
		d.log.Warn("configuration", "at", fmt.Sprintf("%s:%d", w.File, w.Line), "problem", w.Text)
	}
	if len(warnings) > 0 {
		d.log.Error("configuration has faults: the old settings stay in force", "faults", len(warnings))
		return
	}
	d.apply(cfg)
}

// apply puts new settings in force. Files, directories and the user are those
// of the start until the next one.
func (d *daemon) apply(cfg config.Config) {
	if cfg.UtmpxFile != d.cfg.UtmpxFile || cfg.WtmpxFile != d.cfg.WtmpxFile || cfg.PipeFile != d.cfg.PipeFile ||
		(d.cfg.RunDir != "" && cfg.RunDir != d.cfg.RunDir) || (d.cfg.StateDir != "" && cfg.StateDir != d.cfg.StateDir) ||
		cfg.RunAs != d.cfg.RunAs {
		d.log.Warn("configuration: files, directories and RUN_AS change at the next start only")
	}
	d.cfg.ScanPeriod, d.cfg.MaxFDs, d.cfg.WtmpxUpdateFreq = cfg.ScanPeriod, cfg.MaxFDs, cfg.WtmpxUpdateFreq
	d.cfg.GracePeriod, d.cfg.KeepBusyLines = cfg.GracePeriod, cfg.KeepBusyLines
	d.scanner.SetPeriod(cfg.ScanPeriod)
	d.heart.SetPeriod(cfg.WtmpxUpdateFreq)
	d.watcher.SetLimit(d.maxFDs())
	d.handleNow(table.Configured{Settings: settings(cfg)})
	d.log.Info("configuration read again", "SCAN_PERIOD", cfg.ScanPeriod, "MAX_FDS", cfg.MaxFDs,
		"WTMPX_UPDATE_FREQ", cfg.WtmpxUpdateFreq, "GRACE_PERIOD", cfg.GracePeriod, "KEEP_BUSY_LINES", cfg.KeepBusyLines)
}
