// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"utmpd.dev/utmpd/internal/atomicfile"
	"utmpd.dev/utmpd/internal/cleaner"
	"utmpd.dev/utmpd/internal/clock"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/logging"
	"utmpd.dev/utmpd/internal/logind"
	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/pidfile"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/receiver"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sandbox"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/sdnotify"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/status"
	"utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/internal/toucher"
	"utmpd.dev/utmpd/internal/watcher"
)

// daemon is utmpd at work. Its fields belong to the goroutine of loop, except
// where their own types allow more.
type daemon struct {
	flags  flags
	cfg    settings
	log    logger
	on     machine
	bootID string
	init   time.Duration // start of process 1, by the kernel's clock
	pid    int

	runDir   string             // RUN_DIR, "" without one
	stateDir string             // STATE_DIR, "" without one
	lock     *pidfile.Lock      // nil without a RUN_DIR
	store    journal            // nil without a RUN_DIR
	begun    store              // what the bridge is about to write; nil without a RUN_DIR
	box      *sandbox.Box       // nil without one
	toucher  *toucher.Remote    // nil if this process sets the access time itself
	helped   *helped            // nil if this process opens what replaces the two files itself
	pipe     *receiver.Receiver // nil without a pipe

	files      *twoFiles
	file       *recfile.File
	wtmpx      *recfile.Log
	watcher    *watcher.Watcher
	scanner    *scanner.Scanner
	cleaner    *cleaner.Cleaner
	logins     *logWatch
	heart      *heartbeat.Heartbeat
	before     heartbeat.Note // of an earlier run in this boot; else empty
	clock      *clock.Watch
	bridge     *bridge             // nil without one
	own        []session.OwnRecord // the bridge's records, of an earlier run in this boot
	owedLogins []logind.Owed       // what the log has not taken from it
	ownSaved   []session.OwnRecord // those that the saver was last given
	steps      stepRecords         // belongs to the clock's goroutine
	status     *status.Writer
	statusFile *atomicfile.File // of writeStatus
	meter      *meter
	systemd    *sdnotify.Notifier

	readiness *readiness
	watchdog  *watchdog
	saver     *saver
	memory    *memory
	reading   *reading
	noNotices atomic.Pointer[string] // why there are no notices of changes; nil: there are
	sinks     []sink

	table     *table.Table
	wake      *time.Timer   // fires at the table's Next
	started   time.Time     // the table's clock counts from here
	mono      time.Duration // the time of the table's last event
	lastClean time.Time

	wouldClean int    // sessions that -n has left
	missing    string // what it may not do, as logged at the start
	older      string // what the kernel's Landlock lacks

	inputs chan []input
	scans  chan scanner.Event
	done   chan struct{} // closed when the loop has ended
	rooms  sync.WaitGroup
	atWork working // of rooms
	hangs  hangs
	pace   pace
	names  aside // the loop's looks at them
}

// run is the daemon from its start to its end. It calls ready once it works.
func run(ctx context.Context, f flags, hup <-chan os.Signal, log logger, ready func()) error {
	cfg, warnings, err := config.Load(f.config)
	if err != nil {
		return err
	}
	logWarnings(log.Logger, warnings)
	d := newDaemon(f, cfg, log, ready, thisMachine())
	// Before root makes a directory there, and again once they are made.
	if err := d.checkDirs(); err != nil {
		return err
	}
	if err := d.leaveRoot(); err != nil {
		return err
	}
	if err := d.files.check(); err != nil {
		return err
	}
	d.separate()
	makeThreads(runtime.GOMAXPROCS(0) + spareThreads)
	if err := d.open(); err != nil {
		return err
	}
	d.confine()
	d.build()
	return d.live(ctx, hup)
}

func newDaemon(f flags, cfg config.Config, log logger, ready func(), on machine) *daemon {
	return &daemon{
		flags: f, cfg: settings{cfg, f.config, log.Logger}, log: log, on: on,
		runDir: cfg.RunDir, stateDir: cfg.StateDir,
		files:     newTwoFiles(cfg.Fixed, on.files),
		table:     table.New(tableSettings(cfg.Reloadable)),
		init:      proc.InitStart(), // as root: /proc may hide it from RUN_AS
		pid:       os.Getpid(),
		started:   time.Now(),
		inputs:    make(chan []input, 64),
		scans:     make(chan scanner.Event),
		done:      make(chan struct{}),
		systemd:   on.systemd,
		readiness: newReadiness(on.systemd, log.Logger, ready),
	}
}

// build makes the rooms, and the parts that belong to the loop.
func (d *daemon) build() {
	d.file = recfile.NewFile(d.cfg.UtmpxFile, recfile.Options{System: d.on.files, Apart: d.cfg.WtmpxFile})
	logOptions := recfile.Options{System: d.on.files, Apart: d.cfg.UtmpxFile}
	d.wtmpx = recfile.NewLog(d.cfg.WtmpxFile, logOptions)
	lines := newLogSink(d.log.Logger)
	lines.holders.lockers = d.on.lockers
	d.meter = newMeter(d.runDir, d.stateDir, d.on.booted())
	d.sinks = []sink{lines, d.meter}
	d.wake = time.NewTimer(time.Hour)
	d.memory = newMemory(d.on.collector)
	d.reading = &reading{log: d.log.Logger, toggles: logging.NewLimiter(d.log.Logger, toggleMost, hourPeriod), file: d.cfg.UtmpxFile}
	bounded := d.reading.toggles.Bounded()
	d.saver = newSaver(d.store, bounded)
	d.saver.begin = func() func() { return d.pace.begin("saving the table", slow) }
	d.watchdog = newWatchdog(d.systemd)
	d.watcher = watcher.New(watcher.Options{Kernel: d.on.procs, Limit: d.watchLimit(), Emit: d.watcherEvents, Log: bounded})
	d.scanner = scanner.New(scanner.Options{
		File:     d.file,
		Notifier: d.on.notifier(d.cfg.UtmpxFile),
		Period:   d.cfg.ScanPeriod,
		Emit:     d.scannerEvent,
		Look:     d.lookAtUtmpx,
		Used:     d.on.used,
		Failed:   d.notified,
	})
	d.cleaner = cleaner.New(cleaner.Options{
		File: d.file, Log: openlogins.New(d.cfg.WtmpxFile, logOptions),
		Gone:   func(pid int32) bool { return watcher.Dead(d.on.procs, pid) },
		Opened: d.loginsOpened,
		Half:   func(login session.Login) bool { return d.bridge != nil && d.bridge.recorder.Half(login) },
		DryRun: d.flags.dryRun, Logger: bounded,
		Hangs: d.fileHangs,
	})
	d.pace.news = func() { d.emit(input{at: time.Now()}) }
	d.pace.rooms = []paced{{"reading the utmpx file", d.scanner.Busy}, {"asking about processes and terminals", d.watcher.Busy}}
	d.logins = d.newLogWatch()
	d.bridge = d.newBridge(d.own)
	d.before = d.noteBefore()
	d.heart = heartbeat.New(d.heartbeatOptions())
	d.clock = clock.NewWatch(d.clockOptions())
	d.statusFile = status.File(filepath.Join(d.runDir, "status"))
	d.status = status.NewWriter(d.writeStatus, func(err error) {
		if err != nil {
			bounded.Warn("status not written", "error", err)
		}
	})
}

func (d *daemon) heartbeatOptions() heartbeat.Options {
	o := heartbeat.Options{
		Log: d.touched(), BootID: d.bootID, Init: d.init, Period: d.cfg.WtmpxUpdateFreq, Logger: d.reading.toggles.Bounded(),
		Now:    d.on.now,
		Clocks: d.on.clocks,
		Before: d.before,
		Begin:  func(what string) func() { return d.pace.begin(what, slow) },
		Beaten: func() {
			d.clock.Look()
			if d.bridge != nil {
				d.bridge.beat()
			}
			d.emit(input{at: time.Now()}) // for the status
		},
	}
	if d.stateDir != "" {
		o.NotePath = filepath.Join(d.stateDir, heartbeat.NoteFile)
	}
	return o
}

// live starts the rooms, runs the loop until ctx ends, and stops the rooms.
func (d *daemon) live(ctx context.Context, hup <-chan os.Signal) error {
	roomCtx, stop := context.WithCancel(context.Background())
	defer stop()
	failed := d.startRooms(roomCtx)
	err := d.loop(ctx, hup, failed)
	_ = d.systemd.Stopping()
	d.setStatus(status.Ended, false)
	stop()
	whole := d.drain()
	if !d.atWork.has("status") { // which has written the status of before
		d.setStatus(status.Ended, false)
		d.status.Last()
	}
	close(d.done)
	d.shutDown(whole)
	return err
}

// startRooms runs each room in a goroutine of its own until ctx ends. It sends
// the error of a room without which the daemon cannot work to failed.
func (d *daemon) startRooms(ctx context.Context) (failed <-chan error) {
	failure := make(chan error, 1)
	start := func(room string, run func(context.Context)) {
		d.atWork.begin(room)
		d.rooms.Go(func() {
			defer d.atWork.end(room)
			run(ctx)
		})
	}
	start("watcher", func(ctx context.Context) {
		if err := d.watcher.Run(ctx); err != nil && ctx.Err() == nil {
			failure <- fmt.Errorf("watcher: %w", err)
		}
	})
	start("cleaner", d.cleaner.Run)
	start("scanner", d.scanner.Run)
	start("logins", d.logins.run)
	start("logins", d.logins.pass)
	if !d.flags.dryRun { // which touches nothing
		start("heartbeat", d.heart.Run)
		start("clock", d.clock.Run)
	}
	if d.bridge != nil {
		start("logind", d.bridge.listen)
		start("terminals", d.bridge.watchTerminals)
		start("recorder", d.bridge.recorder.Run)
	}
	start("saver", d.saver.run)
	start("status", d.status.Run)
	start("memory", d.memory.run)
	if d.pipe != nil {
		start("receiver", d.runPipe)
	}
	return failure
}

func (d *daemon) runPipe(ctx context.Context) {
	if err := d.pipe.Run(ctx, d.requests); err != nil && ctx.Err() == nil {
		d.log.Warn("the request pipe is closed: sessions are found only in the utmpx file", "error", err)
	}
}

// shutDown saves the table and gives up the right to run. If not all rooms have ended,
// the kernel keeps the process, and the right to run with it, until the file system
// answers: what it has taken may still be written.
func (d *daemon) shutDown(whole bool) {
	if d.pipe != nil {
		_ = d.pipe.Close()
	}
	if d.store != nil && !d.atWork.has("saver") {
		whole = within(savePatience, func() { d.saver.writeWhole(d.state()) }) && whole
	}
	for _, s := range d.sinks {
		s.close()
	}
	d.reading.toggles.Close()
	if !whole {
		d.log.Warn("utmpd ends while a file system does not answer: until it does, the kernel keeps the process, and no other utmpd can start",
			"waiting", d.atWork.String(), "hangs", d.hangs.String())
	} else if d.lock != nil {
		if err := d.lock.Release(); err != nil {
			d.log.Warn("pid file", "error", err)
		}
	}
	if d.flags.dryRun {
		d.log.Info("utmpd ended", "would have cleaned", d.wouldClean)
		return
	}
	d.log.Info("utmpd ended", "cleaned", d.table.Counts().Cleaned)
}

// saveTable has the table saved: what has changed, or the whole where only that can tell.
// After that, whether it succeeded or not, then is called.
func (d *daemon) saveTable(then ...func()) {
	own := d.own
	if d.bridge != nil {
		own = *d.bridge.own.Load()
	}
	next := saving{then: append(then, func() { d.tableSaved(own) })}
	if c, ok := d.changes(own); ok {
		next.changes = []state.Change{c}
	} else {
		st := d.state()
		st.Own, next.whole = own, &st
	}
	d.ownSaved = own
	d.saver.save(next)
}

// changes returns what has changed since the table was last saved. ok is false if it must be
// saved whole.
func (d *daemon) changes(own []session.OwnRecord) (c state.Change, ok bool) {
	if d.saver.mustBeWhole() {
		return c, false
	}
	c.Changes, ok = d.table.Changes(d.moment(time.Now()))
	c.Own = state.SpliceOf(d.ownSaved, own)
	return c, ok
}

func (d *daemon) state() state.State {
	st := state.State{BootID: d.bootID, File: d.reading.snap.Generation(), Checkpoint: d.table.Checkpoint(d.moment(time.Now())), Own: d.own}
	if d.bridge != nil {
		st.Own = *d.bridge.own.Load()
	}
	return st
}
