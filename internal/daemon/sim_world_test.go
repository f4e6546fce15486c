package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"time"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/sdnotify"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/watcher"
	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

const (
	utmpName = "/run/utmp"
	wtmpName = "/var/log/wtmp"
	ownerPID = 5_000_000 // of whoever writes or locks, beyond any real one
	bootID   = "this boot"
)

var simLayout = utmpx.Native()

// simSettings are what differs from one world to the next.
type simSettings struct {
	grace     time.Duration
	scan      time.Duration
	maxFDs    int
	polling   bool // no pidfds
	boot      bool // the utmpx file has a BOOT_TIME record
	bootLate  time.Duration
	upAtStart time.Duration
}

// simWorld is a machine in memory: its processes, terminals, clock and files,
// those who log in and out, and utmpd, unchanged. It lives in a bubble of
// testing/synctest. mu guards all of it; utmpd meets it in simRun's methods.
type simWorld struct {
	simSettings
	mu    sync.Mutex
	files *simfile.System
	began time.Time
	steps []clockStep

	procs   map[int32]*simProc
	terms   map[string]*simProc // who leads a terminal, or led it last
	lastPID int32
	inodes  uint64
	pool    []int32 // pids whose process is gone

	sessions []*simSession
	byRaw    map[string]*simSession // by the bytes of their records
	history  []logEntry             // all that was ever appended to the wtmpx file
	lossy    bool                   // part of that cannot be read any more
	tornLog  []byte                 // what a writer without lock is about to add
	oldLogs  int
	replaced int // counts files that took another's place

	run              *simRun // nil: utmpd does not run
	runs             int
	saved            [][]byte // states, in the order in which they were saved
	hooks            []hook
	pending          []func() bool // writers that wait for a lock
	at               simfile.Call  // the call of utmpd's that is about to be made
	inHook, retrying bool

	logFailsUntil, fileFailsUntil, fullUntil time.Time
	logError                                 error
	partial                                  bool
	holders                                  []io.Closer
	restore                                  []func()  // files that are away
	notices                                  int       // 0: told at once; 1: lost; 2: doubled; 3: late
	disturbed                                int       // counts what may make utmpd late
	troubled                                 time.Time // until when, at least, something of it lasts

	log   *bytes.Buffer
	wrong []string // laws broken
}

// hook is what happens before a certain call of utmpd's.
type hook struct {
	call simfile.Call
	do   func()
}

// simRun is one life of utmpd.
type simRun struct {
	w       *simWorld
	n       int
	d       *daemon
	cancel  context.CancelFunc
	ended   chan error
	dead    bool
	calls   int
	killAt  int
	handles map[*simHandle]struct{}
	pidfds  int
	notice  func()
}

func newSimWorld(s simSettings, log *bytes.Buffer) *simWorld {
	w := &simWorld{
		simSettings: s, files: simfile.New(), began: time.Now(), log: log,
		procs: map[int32]*simProc{}, terms: map[string]*simProc{}, byRaw: map[string]*simSession{}, lastPID: 1000,
	}
	var boot []byte
	rec := utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12.0",
		Time: utmpx.TimeOf(w.wallAt(w.began).Add(s.bootLate - s.upAtStart))}
	if s.boot {
		boot, _ = simLayout.Encode(rec)
	}
	w.files.WriteFile(utmpName, boot)
	w.files.WriteFile(wtmpName, nil)
	w.appendLog(rec, nil)
	return w
}

// broken notes that a law does not hold. The world is locked.
func (w *simWorld) broken(format string, args ...any) {
	if len(w.wrong) < 20 {
		w.wrong = append(w.wrong, fmt.Sprintf("%v: law ", time.Since(w.began))+fmt.Sprintf(format, args...))
	}
	w.tell("BROKEN %s", fmt.Sprintf(format, args...))
}

func (w *simWorld) tell(format string, args ...any) {
	if w.log != nil {
		fmt.Fprintf(w.log, "%12v %s\n", time.Since(w.began), fmt.Sprintf(format, args...))
	}
}

// before is called before each call of utmpd's. Only one hook is at work at a time.
func (w *simWorld) before(call simfile.Call) {
	if w.inHook {
		return
	}
	w.inHook, w.at = true, call
	for i, h := range w.hooks {
		if h.call == call {
			w.hooks = slices.Delete(w.hooks, i, i+1)
			h.do()
			break
		}
	}
	w.retry()
	w.inHook, w.at = false, ""
}

// retry lets those go on who waited for a lock.
func (w *simWorld) retry() {
	for !w.retrying && len(w.pending) > 0 {
		w.retrying = true
		done := w.pending[0]()
		w.retrying = false
		if !done {
			return
		}
		w.pending = w.pending[1:]
	}
}

func (w *simWorld) exists(name string) bool {
	_, err := w.files.Lookup(name)
	return err == nil
}

// locked has f work on a file under its write lock, once that is to be had.
func (w *simWorld) locked(name string, f func()) {
	w.pending = append(w.pending, func() bool {
		h, err := w.files.As(ownerPID).Open(name, utmpfile.ReadWrite)
		if err != nil {
			return true // no such file: nothing is recorded
		}
		defer h.Close()
		if h.TryLock(utmpfile.WriteLock) != nil {
			return false
		}
		f()
		return true
	})
	w.retry()
}

// fileChanged gives notice of a change of the utmpx file, as well as it can.
func (w *simWorld) fileChanged() {
	if w.run == nil || w.run.dead || w.run.notice == nil {
		return
	}
	notice := w.run.notice
	switch w.notices {
	case 1:
		return
	case 2:
		notice()
	case 3:
		time.AfterFunc(700*time.Millisecond, notice)
		return
	}
	notice()
}

// Run and Renew are the Notifier of a run of utmpd's.
func (r *simRun) Run(ctx context.Context, notice func()) error {
	r.w.mu.Lock()
	r.notice = notice
	r.w.mu.Unlock()
	notice()
	<-ctx.Done()
	return nil
}

func (r *simRun) Renew() {}

// start has utmpd run, with the last but back states saved; none if that is
// more than there are.
func (w *simWorld) start(back int) {
	w.mu.Lock()
	if w.run != nil && !w.run.dead {
		w.mu.Unlock()
		return
	}
	old := w.run
	w.mu.Unlock()
	if old != nil {
		w.wait(old)
	}
	w.mu.Lock()
	w.runs++
	w.disturbed++
	r := &simRun{w: w, n: w.runs, ended: make(chan error, 1), handles: map[*simHandle]struct{}{}}
	to := simStore{simRun: r, err: fs.ErrNotExist}
	if i := len(w.saved) - 1 - back; i >= 0 && back >= 0 {
		to.st, to.err = state.State{}, nil
		to.err = to.st.UnmarshalBinary(w.saved[i])
	}
	for _, s := range w.sessions { // what it owed them may be forgotten with its state
		s.forgotten = s.forgotten || s.marked && back != 0
	}
	w.tell("utmpd starts: %d, with state: %v", r.n, to.err == nil)
	w.run = r
	w.mu.Unlock()
	var kernel watcher.Kernel = simKernel{r}
	if w.polling {
		kernel = watcher.Polling(kernel)
	}
	on := machine{
		files: simFiles{r}, procs: kernel,
		notifier:   func(string) scanner.Notifier { return r },
		systemd:    sdnotify.New(func(string) string { return "" }),
		wall:       func(at time.Time) time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.wallAt(at) },
		up:         w.up,
		raiseLimit: func(want int) (int, error) { return want, nil },
		missing:    func(config.Config, bool) []string { return nil },
	}
	cfg := config.Config{
		UtmpxFile: utmpName, WtmpxFile: wtmpName, GracePeriod: w.grace, ScanPeriod: w.scan,
		MaxFDs: w.maxFDs, WtmpxUpdateFreq: 10 * time.Minute, KeepBusyLines: true,
	}
	handler := slog.Handler(slog.DiscardHandler)
	if w.log != nil {
		handler = slog.NewTextHandler(simLog{w}, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	d := newDaemon(flags{}, cfg, logger{slog.New(handler), io.NopCloser(nil)}, func() {}, on)
	r.d, d.bootID, d.store = d, bootID, to
	d.remember()
	d.build()
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.ended <- d.live(ctx, nil) }()
}

// simLog is the log of a world that is looked at.
type simLog struct{ w *simWorld }

func (l simLog) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.tell("    %s", bytes.TrimSpace(p))
	return len(p), nil
}

// kill ends utmpd at once: no call of it does anything any more. The world is locked.
func (r *simRun) kill() {
	r.w.tell("utmpd is killed at call %d", r.calls)
	r.dead = true
	r.w.disturbed++
	for h := range r.handles {
		if !h.waits {
			_ = h.h.Close()
		}
	}
	clear(r.handles)
	r.cancel()
}

// stop ends utmpd under control.
func (w *simWorld) stop() {
	w.mu.Lock()
	r := w.run
	w.disturbed++
	w.mu.Unlock()
	if r == nil || r.dead {
		return
	}
	r.cancel()
	w.wait(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.dead {
		return // killed on its way out
	}
	r.dead = true
	if len(r.handles) != 0 && len(w.holders) == 0 {
		w.broken("5: %d files are open at the end", len(r.handles))
	}
	for h := range r.handles { // its threads that wait for a lock end with it
		if !h.waits {
			_ = h.h.Close()
		}
	}
	clear(r.handles)
	if r.pidfds != 0 {
		w.broken("5: %d pidfds are open at the end", r.pidfds)
	}
}

// wait waits for utmpd to end, which may take as long as a few failing writes.
func (w *simWorld) wait(r *simRun) {
	select {
	case err := <-r.ended:
		r.ended <- err
		if err != nil && !r.dead {
			w.mu.Lock()
			w.broken("5: utmpd ended: %v", err)
			w.mu.Unlock()
		}
	case <-time.After(10 * time.Second):
		panic("utmpd does not end: a law is broken; the schedule was printed above")
	}
}

// hold has someone hold a lock for a while.
func (w *simWorld) hold(name string, kind utmpfile.LockKind, d time.Duration) {
	h, err := w.files.As(ownerPID+1).Open(name, utmpfile.ReadWrite)
	if err != nil || h.TryLock(kind) != nil {
		if err == nil {
			h.Close()
		}
		return
	}
	w.disturb(d)
	w.holders = append(w.holders, h)
	time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if i := slices.Index(w.holders, io.Closer(h)); i >= 0 {
			w.holders = slices.Delete(w.holders, i, i+1)
			h.Close()
			w.disturbed++
			w.retry()
		}
	})
}

// disturb notes that from now on, for d at least, utmpd may be late.
func (w *simWorld) disturb(d time.Duration) {
	w.disturbed++
	if until := time.Now().Add(d); until.After(w.troubled) {
		w.troubled = until
	}
}

// leaveAlone ends all that is done to utmpd.
func (w *simWorld) leaveAlone() {
	w.mu.Lock()
	w.tell("the world is left alone")
	w.disturb(time.Second)
	w.notices = 0
	hooks := w.hooks
	w.hooks = nil
	w.inHook = true
	for _, h := range hooks {
		h.do()
	}
	w.inHook = false
	w.logFailsUntil, w.fileFailsUntil, w.fullUntil = time.Time{}, time.Time{}, time.Time{}
	for _, h := range w.holders {
		h.Close()
	}
	w.holders = nil
	for _, back := range w.restore {
		back()
	}
	w.retry()
	if w.run != nil {
		w.run.killAt = 0
	}
	w.mu.Unlock()
	w.start(0)
}

// wtmpFull is what a log that cannot be written to fails with.
var wtmpFull = []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS}
