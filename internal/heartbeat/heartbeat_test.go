// SPDX-License-Identifier: BSD-2-Clause

package heartbeat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/clock"
)

// file is a simulated Toucher. It fails on request and records its calls.
type file struct {
	mu       sync.Mutex
	touchErr error
	readErr  error
	touched  []time.Time
	reads    int
}

func (f *file) Touch(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.touchErr == nil {
		f.touched = append(f.touched, t)
	}
	return f.touchErr
}

func (f *file) ReadOne() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	return f.readErr
}

func (f *file) readings() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

func (f *file) fail(touch, read error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touchErr, f.readErr = touch, read
}

// times returns the times set since the last call, relative to start.
func (f *file) times(start time.Time) []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var d []time.Duration
	for _, t := range f.touched {
		d = append(d, t.Sub(start))
	}
	f.touched = nil
	return d
}

// journal collects the messages of a logger.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "error" {
			return slog.Attr{}
		}
		return a
	}}))
}

// lines returns the level and the first 20 bytes of each message since the last
// call.
func (j *journal) lines() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var l []string
	for s := range strings.Lines(j.b.String()) {
		level, msg, _ := strings.Cut(strings.TrimPrefix(s, "level="), " msg=\"")
		l = append(l, level+" "+msg[:min(len(msg), 20)])
	}
	j.b.Reset()
	return l
}

// run runs h in a synctest bubble. stop ends it and waits.
func run(t *testing.T, h *Heartbeat) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx)
	}()
	synctest.Wait()
	return func() {
		cancel()
		<-done
	}
}

// pass waits for d, and until everything that is due then is done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func want[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got)\n%s", what, d)
	}
}

func TestBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, start := &file{}, time.Now()
		h := New(Options{Log: f, Period: time.Minute})
		if last, err := h.Last(); !last.IsZero() || err != nil {
			t.Errorf("Last before the first beat: %v, %v", last, err)
		}
		stop := run(t, h)
		defer stop()
		want(t, "at start", []time.Duration{0}, f.times(start))
		pass(3*time.Minute - 1)
		want(t, "in three minutes", []time.Duration{time.Minute, 2 * time.Minute}, f.times(start))

		h.SetPeriod(time.Minute) // no change: does not delay the next beat
		pass(1)
		want(t, "same period", []time.Duration{3 * time.Minute}, f.times(start))
		h.SetPeriod(10 * time.Second)
		pass(20 * time.Second)
		want(t, "shorter period", []time.Duration{190 * time.Second, 200 * time.Second}, f.times(start))
		h.SetPeriod(-1) // counts as a second
		pass(2 * time.Second)
		want(t, "no period", []time.Duration{201 * time.Second, 202 * time.Second}, f.times(start))
		if last, err := h.Last(); last.Sub(start) != 202*time.Second || err != nil {
			t.Errorf("Last: %v, %v", last.Sub(start), err)
		}
	})
}

func TestClockStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, start := &file{}, time.Now()
		var mu sync.Mutex
		step := time.Duration(0)
		h := New(Options{Log: f, Period: time.Minute, Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(step)
		}})
		defer run(t, h)()
		mu.Lock()
		step = -24 * time.Hour
		mu.Unlock()
		pass(time.Minute)
		want(t, "after the step", []time.Duration{0, time.Minute - 24*time.Hour}, f.times(start))
	})
}

// TestFailuresLogged checks that each kind of failure is logged once until the
// next success.
func TestFailuresLogged(t *testing.T) {
	perm := fmt.Errorf("touch: %w", fs.ErrPermission)
	missing := fmt.Errorf("touch: %w", fs.ErrNotExist)
	full, rofs := errors.New("input/output error"), errors.New("read-only file system")
	const again, gone, forbidden, other = "INFO the access time of w", "WARN wtmpx is missing; it",
		"WARN no permission to set", "ERROR cannot update the ac"
	steps := []struct {
		name        string
		touch, read error
		logged      []string
		reads       int
		moved       bool
	}{
		{name: "no error", moved: true},
		{name: "missing", touch: missing, logged: []string{gone}},
		{name: "still missing", touch: missing},
		{name: "back", logged: []string{again}, moved: true},
		{name: "still there", moved: true},
		{name: "missing again", touch: missing, logged: []string{gone}},
		{name: "back without permission", touch: perm, logged: []string{forbidden}, reads: 1, moved: true},
		{name: "still without permission", touch: perm, reads: 1, moved: true},
		{name: "without permission to read", touch: perm, read: perm, logged: []string{other}, reads: 1},
		{name: "still without permission to read", touch: perm, read: perm, reads: 1},
		{name: "another error", touch: full, logged: []string{other}},
		{name: "a third error", touch: rofs, logged: []string{other}},
		{name: "the second error again", touch: full},
		{name: "no error again", logged: []string{again}, moved: true},
	}
	synctest.Test(t, func(t *testing.T) {
		f, j := &file{}, &journal{}
		h := New(Options{Log: f, Period: time.Minute, Logger: j.logger()})
		stop := run(t, h)
		defer stop()
		pass(time.Second)
		for _, s := range steps {
			f.fail(s.touch, s.read)
			before := f.readings()
			pass(time.Minute)
			want(t, s.name, s.logged, j.lines())
			want(t, s.name+": reads", s.reads, f.readings()-before)
			last, err := h.Last()
			want(t, s.name+": moved", s.moved, time.Since(last) < time.Minute)
			if (err != nil) != (s.touch != nil) {
				t.Errorf("%s: Last returned the error %v", s.name, err)
			}
		}
	})
}

func TestFailuresAreBounded(t *testing.T) {
	var f failures
	n := 0
	for i := range 1000 {
		if f.add(fmt.Sprint(i)) {
			n++
		}
	}
	want(t, "kinds logged", maxKinds, n)
	want(t, "end after failures", true, f.end())
	want(t, "end without failures", false, f.end())
}

func TestNoteIsKept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "heartbeat")
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		h := New(Options{NotePath: path, BootID: "b1", Period: time.Minute, Logger: j.logger()})
		stop := run(t, h)
		pass(3 * time.Minute)
		want(t, "directory missing", []string{"WARN cannot write the hea"}, j.lines())

		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		want(t, "directory there", []string{"INFO the heartbeat's note"}, j.lines())
		n, err := ReadNote(path)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "running", Note{BootID: "b1", Time: time.Now().UTC(), Every: time.Minute, State: Running}, n)

		h.SetPeriod(10 * time.Minute)
		synctest.Wait()
		n, err = ReadNote(path)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "another period", Note{BootID: "b1", Time: time.Now().UTC(), Every: 10 * time.Minute, State: Running}, n)

		pass(10 * time.Second)
		stop()
		n, err = ReadNote(path)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "stopped", Note{BootID: "b1", Time: time.Now().UTC(), Every: 10 * time.Minute, State: Stopped}, n)
	})
}

// TestShutdownMarked checks that the note stays in the state Shutdown if the
// daemon ends before its next beat, but not after a beat, nor if the note is from
// another boot.
func TestShutdownMarked(t *testing.T) {
	tests := []struct {
		name   string
		bootID string
		then   time.Duration // from the mark to the daemon's end
		want   State
	}{
		{"ends at once", "b1", time.Second, Shutdown},
		{"one more beat", "b1", time.Minute, Stopped},
		{"another boot's mark", "b0", time.Second, Stopped},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), NoteFile)
			synctest.Test(t, func(t *testing.T) {
				stop := run(t, New(Options{NotePath: path, BootID: "b1", Period: time.Minute}))
				if err := WriteNote(path, Note{BootID: tt.bootID, Time: time.Now(), State: Shutdown}); err != nil {
					t.Fatal(err)
				}
				pass(tt.then)
				stop()
				n, err := ReadNote(path)
				if err != nil {
					t.Fatal(err)
				}
				want(t, "note", Note{BootID: "b1", Time: time.Now().UTC(), Every: time.Minute, State: tt.want}, n)
			})
		})
	}
}

// TestSteps: the note has the last steps of the clock, and those before them as one,
// also those that an earlier run noted, and one that happened between the two runs.
// None is written before the first beat or after the last one.
func TestSteps(t *testing.T) {
	path := filepath.Join(t.TempDir(), NoteFile)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		off := time.Hour
		step := func(by time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			off += by
		}
		h := New(Options{NotePath: path, Period: time.Minute,
			Before: Note{Time: start, Up: time.Hour, Steps: []Step{{time.Second, time.Hour}}},
			Clocks: func() clock.Reading {
				mu.Lock()
				defer mu.Unlock()
				return clock.Reading{Wall: time.Now().Add(off), Up: time.Hour + time.Since(start), Slept: time.Second}
			}})
		h.Renew()
		if _, err := os.Lstat(path); err == nil {
			t.Error("a note before the first beat")
		}
		stop := run(t, h)
		for range MaxSteps - 1 {
			step(time.Minute)
			h.Renew()
		}
		step(time.Minute) // the next beat finds it
		pass(time.Minute)
		step(time.Second) // no step
		stop()
		h.Renew()
		n, err := ReadNote(path)
		if err != nil {
			t.Fatal(err)
		}
		var sum time.Duration
		for _, s := range n.Steps {
			sum += s.By
		}
		want(t, "steps", MaxSteps, len(n.Steps))
		want(t, "all steps", 2*time.Hour+MaxSteps*time.Minute, sum)
		n.Steps = nil
		want(t, "note", Note{Time: start.Add(time.Hour + (MaxSteps+1)*time.Minute + time.Second).UTC(), Up: time.Hour + time.Minute, Slept: time.Second,
			Every: time.Minute, State: Stopped}, n)
	})
}
