// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/sysfile"
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
	order     uint64 // in which goroutines go on; 0: none lets others go first
}

// simWorld is a machine in memory: its processes, terminals, clock and files,
// those who log in and out, and utmpd, unchanged. It lives in a bubble of
// testing/synctest. mu guards all of it; utmpd meets it in simRun's methods.
type simWorld struct {
	simSettings
	mu       sync.Mutex
	files    *simfile.System
	began    time.Time
	steps    []clockStep
	recorded int // of them, by utmpd

	procs     map[int32]*simProc
	terms     map[string]*simProc // who leads a terminal, or led it last
	ttys      map[string]*simTTY
	strangers map[string][]stranger // who led terminals that were not those of the sessions before
	had       map[int32][]*simProc  // all who had a pid, the last one last
	led       map[string][]*simProc // all who led a terminal
	gettys    map[string][]*simProc // those that waited on a terminal
	lastPID   int32
	inodes    uint64
	pool      []int32 // pids whose process is gone

	bridge   *simBridge // nil: nobody records sessions of logind
	sessions []*simSession
	alone    []*simAlone
	byRaw    map[string]*simSession // by the bytes of their records
	history  []logEntry             // all that was ever appended to the wtmpx file
	lost     int                    // how many of those, from the first, cannot be read any more
	logAway  time.Time              // until when, at least, there may be no file for a logout
	tornLog  []byte                 // what a writer without lock is about to add
	oldLogs  int
	rotated  int // how many of history stand in files rotated away
	replaced int // counts files that took another's place

	run              *simRun // nil: utmpd does not run
	runs             int
	saved            [][]byte // states, in the order in which they were saved
	begun            []byte   // what utmpd was about to record
	hooks            []hook
	pending          []func() bool // writers that wait for a lock
	inHook, retrying bool

	logFailsUntil, fileFailsUntil, fullUntil time.Time
	unseenUntil, unnamedUntil, hiddenUntil   time.Time
	wasHidden                                bool // there was a time at which /proc hid processes
	awaySince, awayUntil                     time.Time
	aways                                    []simAway
	logError                                 error
	partial                                  bool
	holders                                  []io.Closer
	restore                                  []func() // files that are away
	notices                                  int      // 0: told at once; 1: lost; 2: doubled; 3: late
	disturbed                                int      // counts what may make utmpd late
	disturbedAt                              time.Time
	troubled                                 time.Time // until when, at least, something of it lasts
	wasFull                                  bool      // there was a time without descriptors

	order *rand.Rand // nil: who calls goes on

	tally simTally
	log   *bytes.Buffer
	wrong []string // laws broken
}

// hook is what happens before a certain call of utmpd's.
type hook struct {
	call simfile.Call
	do   func()
}

func newSimWorld(s simSettings, log *bytes.Buffer) *simWorld {
	w := &simWorld{
		simSettings: s, files: simfile.New(), began: time.Now(), log: log,
		procs: map[int32]*simProc{}, terms: map[string]*simProc{}, ttys: map[string]*simTTY{}, strangers: map[string][]stranger{}, byRaw: map[string]*simSession{}, lastPID: 1000,
		had: map[int32][]*simProc{}, led: map[string][]*simProc{}, gettys: map[string][]*simProc{}, tally: simTally{},
	}
	var boot []byte
	rec := utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12.0",
		Time: utmpx.TimeOf(w.wallAt(w.began).Add(s.bootLate - s.upAtStart))}
	if s.boot {
		boot, _ = simLayout.Encode(rec)
	}
	if s.order != 0 {
		w.order = rand.New(rand.NewPCG(s.order, 2))
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
	w.inHook = true
	for i, h := range w.hooks {
		if h.call == call {
			w.hooks = slices.Delete(w.hooks, i, i+1)
			h.do()
			break
		}
	}
	w.retry()
	w.inHook = false
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

// locked calls f under a file's write lock, once the lock is free.
func (w *simWorld) locked(name string, f func()) {
	w.pending = append(w.pending, func() bool {
		h, err := w.files.As(ownerPID).Open(name, sysfile.ReadWrite)
		if err != nil {
			return true // no such file: nothing is recorded
		}
		defer h.Close()
		if h.TryLock(sysfile.WriteLock) != nil {
			return false
		}
		f()
		return true
	})
	w.retry()
}

// fileChanged gives notice of a change of the utmpx file, as well as it can.
func (w *simWorld) fileChanged() {
	if w.run != nil && !w.run.dead {
		w.tellOf(w.run.notice)
	}
}

// logChanged does the same for the log.
func (w *simWorld) logChanged() {
	if w.run != nil && !w.run.dead {
		w.tellOf(w.run.logged)
	}
}

func (w *simWorld) tellOf(notice func()) {
	if notice == nil {
		return
	}
	switch w.notices {
	case 1:
		w.count("notice lost")
		w.disturb(w.scan)
		return
	case 2:
		w.count("notice doubled")
		notice()
	case 3:
		w.count("notice late")
		w.disturb(700 * time.Millisecond)
		time.AfterFunc(700*time.Millisecond, notice)
		return
	}
	notice()
}

// scanRetry is how long a reading that failed is not tried again, at most.
const scanRetry = 31 * time.Second

// forever is how long some hold a lock: until the world is left alone.
const forever = 1000 * time.Hour

// hold has someone hold a lock for a while.
func (w *simWorld) hold(name string, kind sysfile.LockKind, d time.Duration) {
	h, err := w.files.As(ownerPID+1).Open(name, sysfile.ReadWrite)
	if err != nil || h.TryLock(kind) != nil {
		if err == nil {
			h.Close()
		}
		return
	}
	w.disturb(d)
	w.holders = append(w.holders, h)
	w.count("lock held by somebody")
	if d == forever {
		w.count("lock held for good")
		return
	}
	time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if i := slices.Index(w.holders, io.Closer(h)); i >= 0 {
			w.holders = slices.Delete(w.holders, i, i+1)
			h.Close()
			w.disturb(0)
			w.retry()
		}
	})
}

// disturb notes that from now on, for d at least, utmpd may be late.
func (w *simWorld) disturb(d time.Duration) {
	w.disturbed++
	w.disturbedAt = time.Now()
	w.troubled = latest(w.troubled, w.disturbedAt.Add(d))
}

// leaveAlone ends all that is done to utmpd. What was set for calls that never
// came happens now, so that it comes first.
func (w *simWorld) leaveAlone() {
	w.mu.Lock()
	w.tell("the world is left alone")
	hooks := w.hooks
	w.hooks = nil
	w.inHook = true
	for _, h := range hooks {
		h.do()
	}
	w.inHook = false
	w.notices = 0
	w.logFailsUntil, w.fileFailsUntil, w.fullUntil = time.Time{}, time.Time{}, time.Time{}
	w.unseenUntil, w.unnamedUntil, w.hiddenUntil = time.Time{}, time.Time{}, time.Time{}
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
	w.disturb(0)
	w.troubled = time.Now().Add(w.scan + scanRetry) // of what was lost, this is left
	w.mu.Unlock()
	w.start(0)
}

// wtmpFull is what a log that cannot be written to fails with.
var wtmpFull = []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS}
