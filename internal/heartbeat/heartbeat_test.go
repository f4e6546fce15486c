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
)

// file is a Toucher that fails as it is told and keeps what it was asked.
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

// times are those touched since the last call, relative to start.
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

// lines returns the beginnings of the lines since the last call.
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

// run starts h in a bubble and returns what ends it.
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

// pass lets d go by and what is due then be done.
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

		h.SetPeriod(time.Minute) // no change: the beat is not put off
		pass(1)
		want(t, "same period", []time.Duration{3 * time.Minute}, f.times(start))
		h.SetPeriod(10 * time.Second)
		pass(20 * time.Second)
		want(t, "shorter period", []time.Duration{190 * time.Second, 200 * time.Second}, f.times(start))
		h.SetPeriod(-1) // never a spin
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

func TestTold(t *testing.T) {
	perm := fmt.Errorf("touch: %w", fs.ErrPermission)
	missing := fmt.Errorf("touch: %w", fs.ErrNotExist)
	full, rofs := errors.New("input/output error"), errors.New("read-only file system")
	const again, gone, noRight, other = "INFO the access time of w", "WARN wtmpx is missing; no",
		"WARN no right to set the ", "ERROR the access time of w"
	steps := []struct {
		name        string
		touch, read error
		told        []string
		reads       int
		moved       bool
	}{
		{name: "good", moved: true},
		{name: "missing", touch: missing, told: []string{gone}},
		{name: "still missing", touch: missing},
		{name: "back", told: []string{again}, moved: true},
		{name: "good again", moved: true},
		{name: "missing again", touch: missing, told: []string{gone}},
		{name: "back without the right", touch: perm, told: []string{noRight}, reads: 1, moved: true},
		{name: "still without", touch: perm, reads: 1, moved: true},
		{name: "not even to read", touch: perm, read: perm, told: []string{other}, reads: 1},
		{name: "still not", touch: perm, read: perm, reads: 1},
		{name: "another error", touch: full, told: []string{other}},
		{name: "and another", touch: rofs, told: []string{other}},
		{name: "the first again", touch: full},
		{name: "works", told: []string{again}, moved: true},
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
			want(t, s.name, s.told, j.lines())
			want(t, s.name+": reads", s.reads, f.readings()-before)
			last, err := h.Last()
			want(t, s.name+": moved", s.moved, time.Since(last) < time.Minute)
			if (err != nil) != (s.touch != nil) {
				t.Errorf("%s: Last says %v", s.name, err)
			}
		}
	})
}

func TestTellerIsBounded(t *testing.T) {
	var tell teller
	n := 0
	for i := range 1000 {
		if tell.fails(fmt.Sprint(i)) {
			n++
		}
	}
	want(t, "told", maxKinds, n)
	want(t, "told that it works", true, tell.works())
	want(t, "and again", false, tell.works())
}

func TestNoteIsKept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "heartbeat")
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		h := New(Options{NotePath: path, BootID: "b1", Period: time.Minute, Logger: j.logger()})
		stop := run(t, h)
		pass(3 * time.Minute)
		want(t, "directory missing", []string{"WARN the heartbeat's note"}, j.lines())

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

// TestShutdownMarked: what says that the system is about to end stays true of a
// daemon that ends then, and not of one that goes on, or of another boot's.
func TestShutdownMarked(t *testing.T) {
	tests := []struct {
		name   string
		bootID string
		then   time.Duration // from the mark to the daemon's end
		want   State
	}{
		{"ends at once", "b1", time.Second, Shutdown},
		{"beats once more", "b1", time.Minute, Stopped},
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
