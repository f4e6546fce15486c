// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/cleaner"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/pidfile"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/receiver"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sandbox"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/sdnotify"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/status"
	"utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/internal/watcher"
)

// spareFDs are the descriptors that utmpd needs beside one for each process.
const spareFDs = 64

// daemon is utmpd at work. Its fields belong to the goroutine of loop, but for
// what the rooms themselves make safe.
type daemon struct {
	flags  flags
	cfg    config.Config
	log    logger
	on     machine
	bootID string

	lock     *pidfile.Lock      // nil without a RUN_DIR
	box      *sandbox.Box       // nil without one
	pipe     *receiver.Receiver // nil without a pipe
	file     *recfile.File
	wtmpx    *recfile.Log
	watcher  *watcher.Watcher
	scanner  *scanner.Scanner
	cleaner  *cleaner.Cleaner
	heart    *heartbeat.Heartbeat
	status   *status.Writer
	saver    *saver
	systemd  *sdnotify.Notifier
	store    store // nil without a RUN_DIR
	reporter *reporter
	memory   *memory

	table   *table.Table
	started time.Time     // the table's clock counts from here
	mono    time.Duration // as the table last heard
	inputs  chan []input
	scans   chan scanner.Event
	done    chan struct{} // closed when nothing is taken in any more
	rooms   sync.WaitGroup

	snap      *snapshot.Snapshot // that the table goes by
	ready     func()             // nil once told
	unheard   <-chan time.Time   // when READY=1 is to be sent again; nil: it was sent
	mute      bool               // it could not be sent, and the log says so
	scanned   bool
	lastScan  time.Time
	lastClean time.Time
	scanErr   string
	shown     shown // what the status says
}

// run is the daemon from its start to its end. It calls ready once it works.
func run(ctx context.Context, f flags, hup <-chan os.Signal, log logger, ready func()) error {
	cfg, warnings, err := config.Load(f.config)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		log.Warn("configuration", "at", fmt.Sprintf("%s:%d", w.File, w.Line), "problem", w.Text)
	}
	d := newDaemon(f, cfg, log, ready, thisMachine())
	if err := d.leaveRoot(); err != nil {
		return err
	}
	if err := d.open(); err != nil {
		return err
	}
	d.confine()
	d.build()
	return d.live(ctx, hup)
}

func newDaemon(f flags, cfg config.Config, log logger, ready func(), on machine) *daemon {
	return &daemon{
		flags: f, cfg: cfg, log: log, on: on,
		table:   table.New(settings(cfg)),
		started: time.Now(),
		inputs:  make(chan []input, 64),
		scans:   make(chan scanner.Event),
		done:    make(chan struct{}),
		systemd: on.systemd,
		ready:   ready,
	}
}

func settings(c config.Config) table.Settings {
	return table.Settings{Grace: c.GracePeriod, KeepBusyLines: c.KeepBusyLines}
}

// open takes what is utmpd's own: the directories, the right to run, the pipe,
// and what an earlier run left. Only another utmpd at work is a reason not to
// start; what else is missing is told, and done without.
func (d *daemon) open() error {
	id, err := proc.BootID()
	if err != nil {
		d.log.Warn("no boot id: a restart will find no table to go by", "error", err)
	}
	d.bootID = id
	var running *pidfile.RunningError
	switch err := d.openRunDir(); {
	case errors.As(err, &running):
		return err
	case err != nil:
		d.log.Warn("no RUN_DIR: no table for a restart, no status, and a second utmpd would not be noticed", "error", err)
		d.cfg.RunDir = ""
	}
	if err := os.MkdirAll(d.cfg.StateDir, 0o755); err != nil {
		d.log.Warn("no STATE_DIR: the time of a crash will be known from the access time alone", "error", err)
		d.cfg.StateDir = ""
	}
	if d.pipe, err = d.openPipe(); err != nil {
		d.log.Warn("no request pipe: sessions are found in the utmpx file alone", "error", err)
	}
	return nil
}

func (d *daemon) openRunDir() error {
	if err := os.MkdirAll(d.cfg.RunDir, 0o755); err != nil {
		return err
	}
	var err error
	if d.lock, err = pidfile.Acquire(filepath.Join(d.cfg.RunDir, "utmpd.pid")); err != nil {
		return err
	}
	d.store = stateFile(filepath.Join(d.cfg.RunDir, "table"))
	d.remember()
	return nil
}

// remember gives the table what an earlier run knew.
func (d *daemon) remember() {
	st, err := d.store.Load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		d.log.Warn("the table of the earlier run is not believed", "error", err)
	case st.BootID != d.bootID || d.bootID == "":
		d.log.Info("the table of the earlier run is of another boot")
	default:
		d.table.Restore(restored(st))
	}
}

func (d *daemon) statusFile() string { return filepath.Join(d.cfg.RunDir, "status") }

// openPipe opens the request pipe. With -n too: it reads, and changes no record.
func (d *daemon) openPipe() (*receiver.Receiver, error) {
	dir := filepath.Dir(d.cfg.PipeFile)
	if dir == d.cfg.RunDir {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	return receiver.Open(d.cfg.PipeFile, receiver.Options{Log: d.log.Logger})
}

// build makes the rooms.
func (d *daemon) build() {
	d.file = recfile.NewFile(d.cfg.UtmpxFile, recfile.Options{System: d.on.files})
	d.wtmpx = recfile.NewLog(d.cfg.WtmpxFile, recfile.Options{System: d.on.files})
	d.reporter = newReporter(d.log.Logger)
	d.memory = newMemory(d.on.collector)
	d.watcher = watcher.New(watcher.Options{Kernel: d.on.procs, Limit: d.maxFDs(), Emit: d.watcherEvents, Log: d.log.Logger})
	d.scanner = scanner.New(scanner.Options{
		File:     d.file,
		Notifier: d.on.notifier(d.cfg.UtmpxFile),
		Period:   d.cfg.ScanPeriod,
		Emit:     d.scannerEvent,
		Failed: func(err error) {
			d.log.Warn("no notice of changes: SCAN_PERIOD alone decides when a login is seen", "error", err)
		},
	})
	d.cleaner = cleaner.New(cleaner.Options{File: d.file, Log: d.wtmpx, DryRun: d.flags.dryRun, Logger: d.log.Logger})
	heart := heartbeat.Options{
		Log: d.wtmpx, BootID: d.bootID, Period: d.cfg.WtmpxUpdateFreq, Logger: d.log.Logger,
		Now:    d.on.now,
		Beaten: func() { d.emit(input{at: time.Now()}) }, // for the status
	}
	if d.cfg.StateDir != "" {
		heart.NotePath = filepath.Join(d.cfg.StateDir, heartbeat.NoteFile)
	}
	d.heart = heartbeat.New(heart)
	d.status = status.NewWriter(d.writeStatus, func(err error) {
		if err != nil {
			d.log.Warn("status not written", "error", err)
		}
	})
	if d.store != nil {
		d.saver = newSaver(d.store, d.log.Logger)
	}
}

// maxFDs returns how many processes may be watched, raising the limit of open
// files to it as far as that can be.
func (d *daemon) maxFDs() int {
	got, err := d.on.raiseLimit(d.cfg.MaxFDs + spareFDs)
	if got-spareFDs >= d.cfg.MaxFDs {
		return d.cfg.MaxFDs
	}
	limit := max(got-spareFDs, 1)
	d.log.Warn("the limit of open files is below MAX_FDS: sessions beyond it are judged at each scan",
		"MAX_FDS", d.cfg.MaxFDs, "watched at most", limit, "error", err)
	return limit
}

// live starts the rooms, goes round until ctx ends, and stops them.
func (d *daemon) live(ctx context.Context, hup <-chan os.Signal) error {
	roomCtx, stop := context.WithCancel(context.Background())
	defer stop()
	failed := make(chan error, 8)
	start := func(name string, run func(context.Context) error) {
		d.rooms.Go(func() {
			if err := run(roomCtx); err != nil && roomCtx.Err() == nil {
				failed <- fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	start("watcher", d.watcher.Run)
	start("cleaner", plain(d.cleaner.Run))
	start("scanner", plain(d.scanner.Run))
	start("heartbeat", plain(d.heartRun()))
	if d.saver != nil {
		start("table", plain(d.saver.run))
	}
	start("status", plain(d.status.Run))
	start("memory", plain(d.memory.run))
	if d.pipe != nil {
		d.rooms.Go(func() {
			if err := d.pipe.Run(roomCtx, d.requests); err != nil && roomCtx.Err() == nil {
				d.log.Warn("the request pipe is given up: sessions are found in the utmpx file alone", "error", err)
			}
		})
	}
	err := d.loop(ctx, hup, failed)
	_ = d.systemd.Stopping()
	close(d.done)
	d.showStatus("ended")
	stop()
	d.rooms.Wait()
	d.shutDown()
	return err
}

func plain(run func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error { run(ctx); return nil }
}

// heartRun is the heartbeat, or with -n, which touches nothing, only its absence.
func (d *daemon) heartRun() func(context.Context) {
	if d.flags.dryRun {
		return func(context.Context) {}
	}
	return d.heart.Run
}

// shutDown writes what must survive, and gives up the right to run.
func (d *daemon) shutDown() {
	if d.pipe != nil {
		_ = d.pipe.Close()
	}
	if d.saver != nil {
		d.saver.save(d.state())
	}
	d.reporter.close()
	if d.lock != nil {
		if err := d.lock.Release(); err != nil {
			d.log.Warn("pid file", "error", err)
		}
	}
	d.log.Info("utmpd ended", "cleaned", d.table.Counts().Cleaned)
}

func (d *daemon) state() state.State {
	return saved(d.table.State(d.moment(time.Now())), d.bootID, d.snap.Generation())
}
