// SPDX-License-Identifier: BSD-2-Clause

// Package heartbeat records periodically that the system is up: in the wtmpx
// file's access time, and in a note with the boot id. At the next boot they show
// when the system went down.
package heartbeat

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/clock"
)

// Toucher is the wtmpx file. Its methods open the file by name each time, so that
// they use the new file after a rotation. They may block on the disk.
type Toucher interface {
	// Touch sets the access time to t, keeps the modification time, and syncs
	// the file.
	Touch(t time.Time) error
	// ReadOne reads one record, which may update the access time.
	ReadOne() error
}

// Options configure a Heartbeat.
type Options struct {
	Log      Toucher              // nil: no access time is set
	NotePath string               // "": no note is written
	BootID   string               // for the note
	Init     time.Duration        // for the note
	Period   time.Duration        // time between two beats; at least a second
	Now      func() time.Time     // the wall clock; nil: time.Now
	Clocks   func() clock.Reading // for the note; nil: Now, and the rest unknown
	Before   Note                 // of an earlier run in this boot; may be empty
	Logger   *slog.Logger         // nil: slog.Default()
	Beaten   func()               // called after each beat; may be nil

	// Begin is called before what may wait for the disk, and what it returns afterwards;
	// may be nil.
	Begin func(what string) (done func())
}

// Heartbeat beats while Run runs.
type Heartbeat struct {
	log      Toucher
	notePath string // "": none
	notes    *keeper
	bootID   string
	init     time.Duration
	now      func() time.Time
	clocks   func() clock.Reading
	touch    failures
	note     failures
	logger   *slog.Logger
	beaten   func()
	begin    func(what string) (done func())

	changed chan struct{} // signals a new period; has a buffer of one

	writing sync.Mutex    // held while the note is written
	state   State         // of the last note
	noted   clock.Reading // of the last note
	steps   []Step        // of the clock in this boot

	mu     sync.Mutex
	period time.Duration
	last   time.Time
	err    error
}

// New returns a Heartbeat. It beats once Run is called.
func New(o Options) *Heartbeat {
	h := &Heartbeat{
		log:      o.Log,
		notePath: o.NotePath, notes: newKeeper(o.NotePath),
		bootID:  o.BootID,
		init:    o.Init,
		now:     o.Now,
		clocks:  o.Clocks,
		steps:   bounded(o.Before.Steps),
		noted:   clock.Reading{Wall: o.Before.Time, Up: o.Before.Up},
		logger:  o.Logger,
		beaten:  o.Beaten,
		begin:   o.Begin,
		changed: make(chan struct{}, 1),
		period:  atLeastASecond(o.Period),
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.clocks == nil {
		h.clocks = func() clock.Reading { return clock.Reading{Wall: h.now()} }
	}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	if h.begin == nil {
		h.begin = func(string) func() { return func() {} }
	}
	return h
}

// Run beats at once and then once in each period until ctx ends. It then writes
// the state Stopped into the note, but keeps the state Shutdown if `utmpctl
// shutdown` has written it since the last beat. A beat that waits for the disk
// delays the next one and the return. Only one goroutine may call Run; the other
// methods are safe for concurrent use.
func (h *Heartbeat) Run(ctx context.Context) {
	h.beat()
	timer := time.NewTimer(h.every())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			h.writeNote(h.atEnd())
			return
		case <-h.changed:
			h.writeNote(Running) // the note contains the period
			timer.Reset(h.every())
		case <-timer.C:
			h.beat()
			timer.Reset(h.every())
		}
	}
}

// SetPeriod changes the time between two beats, at least a second. The new period
// starts now.
func (h *Heartbeat) SetPeriod(d time.Duration) {
	d = atLeastASecond(d)
	h.mu.Lock()
	same := d == h.period
	h.period = d
	h.mu.Unlock()
	if same {
		return
	}
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// Last returns when the access time was last updated, zero if never, and the
// error of the last beat. If the access time may not be set and the file was read
// instead, the beat counts and the error wraps fs.ErrPermission.
func (h *Heartbeat) Last() (time.Time, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last, h.err
}

func (h *Heartbeat) every() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.period
}

func (h *Heartbeat) beat() {
	if h.log != nil {
		h.beatFile()
	}
	h.writeNote(Running)
	h.logger.Debug("heartbeat")
	if h.beaten != nil {
		h.beaten()
	}
}

func (h *Heartbeat) beatFile() {
	t := h.now()
	done := h.begin("setting the access time of wtmpx")
	err := h.log.Touch(t)
	done()
	moved := err == nil
	switch {
	case err == nil:
		if h.touch.end() {
			h.logger.Info("the access time of wtmpx is updated again")
		}
	case errors.Is(err, fs.ErrNotExist):
		if h.touch.add("missing") {
			h.logger.Warn("wtmpx is missing; its access time is not updated until it exists", "error", err)
		}
	case errors.Is(err, fs.ErrPermission):
		if rerr := h.log.ReadOne(); rerr != nil {
			err = rerr
			h.other(err)
			break
		}
		moved = true
		if h.touch.add("permission") {
			h.logger.Warn("no permission to set the access time of wtmpx; reading the file instead: "+
				"the accuracy of a crash's time depends on the mount's atime options", "error", err)
		}
	default:
		h.other(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	if moved {
		h.last = t
	}
}

func (h *Heartbeat) other(err error) {
	if h.touch.add(err.Error()) {
		h.logger.Error("cannot update the access time of wtmpx", "error", err)
	}
}

// atEnd returns the state for the last note: Shutdown if the note has it, which a
// later beat would have overwritten, else Stopped.
func (h *Heartbeat) atEnd() State {
	if h.notePath != "" {
		if n, err := ReadNote(h.notePath); err == nil && n.BootID == h.bootID && SameStart(n.Init, h.init) && n.State == Shutdown {
			return Shutdown
		}
	}
	return Stopped
}

// Renew writes the note again after a step of the clock. It blocks on the disk. Before Run
// begins and after it ended it does nothing.
func (h *Heartbeat) Renew() {
	h.writing.Lock()
	state := h.state
	h.writing.Unlock()
	if state == Running {
		h.writeNote(Running)
	}
}

// addStep adds the step of the clock since the last note, if there was one.
func (h *Heartbeat) addStep(now clock.Reading) {
	if h.noted.Up > 0 && now.Up >= h.noted.Up {
		if by := now.Since(h.noted).By(); by.Abs() >= clock.Least {
			h.steps = bounded(append(h.steps, Step{Up: now.Up, By: by}))
		}
	}
	h.noted = now
}

// bounded returns the last steps, and those before them as one.
func bounded(steps []Step) []Step {
	more := max(0, len(steps)-MaxSteps)
	steps = slices.Clone(steps)
	for i := range more {
		steps[i+1].By += steps[i].By
	}
	return steps[more:]
}

func (h *Heartbeat) writeNote(state State) {
	if h.notePath == "" {
		return
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	if h.state == Stopped || h.state == Shutdown {
		return // that was the last one
	}
	h.state = state
	defer h.begin("writing the heartbeat's note")()
	now := h.clocks()
	h.addStep(now)
	err := h.notes.write(Note{BootID: h.bootID, Init: h.init, Time: now.Wall, Up: now.Up, Slept: now.Slept,
		Every: h.every(), State: state, Steps: h.steps})
	switch {
	case err == nil:
		if h.note.end() {
			h.logger.Info("the heartbeat's note is written again", "file", h.notePath)
		}
	case h.note.add(err.Error()):
		h.logger.Warn("cannot write the heartbeat's note; "+
			"the time of a crash would be known from wtmpx only", "error", err)
	}
}

func atLeastASecond(d time.Duration) time.Duration {
	return max(d, time.Second)
}

// maxKinds limits how many kinds of failure are logged before a success.
const maxKinds = 8

// failures are the kinds of failure since the last success. Each is logged once.
type failures struct{ kinds []string }

// add adds a kind of failure and reports whether to log it.
func (f *failures) add(kind string) bool {
	if len(f.kinds) == maxKinds || slices.Contains(f.kinds, kind) {
		return false
	}
	f.kinds = append(f.kinds, kind)
	return true
}

// end ends the failures at a success and reports whether there were any.
func (f *failures) end() bool {
	any := len(f.kinds) > 0
	f.kinds = nil
	return any
}
