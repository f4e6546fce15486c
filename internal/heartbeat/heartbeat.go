// SPDX-License-Identifier: BSD-2-Clause

// Package heartbeat leaves, at every beat, a trace of the moment: the wtmpx
// file's access time, which tells at the next boot when the system went down,
// and a note of its own with the boot id.
package heartbeat

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"
)

// Toucher is the wtmpx file. It opens the file by name each time, so that after
// a rotation the new one is meant. Both methods may wait for the disk.
type Toucher interface {
	// Touch sets the access time to t, leaves the modification time alone,
	// and makes that durable.
	Touch(t time.Time) error
	// ReadOne reads a little of the file, which may move its access time.
	ReadOne() error
}

// Options are what a Heartbeat works with.
type Options struct {
	Log      Toucher          // nil: no file is touched
	NotePath string           // "": no note is written
	BootID   string           // stands in the note
	Period   time.Duration    // between two beats; below a second it is one
	Now      func() time.Time // the wall clock; nil: time.Now
	Logger   *slog.Logger     // nil: slog.Default()
	Beaten   func()           // called after each beat, if not nil
}

// Heartbeat beats while Run runs.
type Heartbeat struct {
	log      Toucher
	notePath string
	bootID   string
	now      func() time.Time
	touch    teller
	note     teller
	logger   *slog.Logger
	beaten   func()

	changed chan struct{} // has one when the period changed

	mu     sync.Mutex
	period time.Duration
	last   time.Time
	err    error
}

// New returns a Heartbeat that does not beat yet.
func New(o Options) *Heartbeat {
	h := &Heartbeat{
		log:      o.Log,
		notePath: o.NotePath,
		bootID:   o.BootID,
		now:      o.Now,
		logger:   o.Logger,
		beaten:   o.Beaten,
		changed:  make(chan struct{}, 1),
		period:   atLeastASecond(o.Period),
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	return h
}

// Run beats at once and then in every period until ctx ends; then the note says
// that it stopped, or still, if that was marked since the last beat, that the
// system is about to end. A beat that waits for a disk
// delays the next one, and the end. Run is for one goroutine; the other methods
// are safe beside it.
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
			h.writeNote(Running) // it tells the period, too
			timer.Reset(h.every())
		case <-timer.C:
			h.beat()
			timer.Reset(h.every())
		}
	}
}

// SetPeriod changes the time between two beats, counted from now. Below a
// second it is one.
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

// Last returns when the access time was last moved, zero if never, and the
// error of the last beat. Where the right to set it is missing and the file
// was read in place of that, the beat counts and the error is still
// fs.ErrPermission.
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
	err := h.log.Touch(t)
	moved := err == nil
	switch {
	case err == nil:
		if h.touch.works() {
			h.logger.Info("the access time of wtmpx is kept up again")
		}
	case errors.Is(err, fs.ErrNotExist):
		if h.touch.fails("missing") {
			h.logger.Warn("wtmpx is missing; no access time to keep up until it is there", "error", err)
		}
	case errors.Is(err, fs.ErrPermission):
		if rerr := h.log.ReadOne(); rerr != nil {
			err = rerr
			h.other(err)
			break
		}
		moved = true
		if h.touch.fails("permission") {
			h.logger.Warn("no right to set the access time of wtmpx; it is read instead: "+
				"how far off the time of a crash will be depends on the mount's atime options", "error", err)
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
	if h.touch.fails(err.Error()) {
		h.logger.Error("the access time of wtmpx cannot be kept up", "error", err)
	}
}

// atEnd is the state of the last note. A shutdown that was marked while the
// daemon ran is one still, unless a beat showed that the system went on.
func (h *Heartbeat) atEnd() State {
	if h.notePath != "" {
		if n, err := ReadNote(h.notePath); err == nil && n.BootID == h.bootID && n.State == Shutdown {
			return Shutdown
		}
	}
	return Stopped
}

func (h *Heartbeat) writeNote(state State) {
	if h.notePath == "" {
		return
	}
	err := WriteNote(h.notePath, Note{BootID: h.bootID, Time: h.now(), Every: h.every(), State: state})
	switch {
	case err == nil:
		if h.note.works() {
			h.logger.Info("the heartbeat's note is written again", "file", h.notePath)
		}
	case h.note.fails(err.Error()):
		h.logger.Warn("the heartbeat's note cannot be written; "+
			"after a crash its time is known from wtmpx alone", "error", err)
	}
}

func atLeastASecond(d time.Duration) time.Duration {
	return max(d, time.Second)
}

// maxKinds bounds how many kinds of failure are told before it works again.
const maxKinds = 8

// teller says each kind of failure once until it works again.
type teller struct{ told []string }

// fails reports whether this kind of failure is still to be told.
func (t *teller) fails(kind string) bool {
	for _, k := range t.told {
		if k == kind {
			return false
		}
	}
	if len(t.told) == maxKinds {
		return false
	}
	t.told = append(t.told, kind)
	return true
}

// works reports whether a failure was told before.
func (t *teller) works() bool {
	was := len(t.told) > 0
	t.told = nil
	return was
}
