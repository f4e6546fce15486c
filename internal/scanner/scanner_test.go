// SPDX-License-Identifier: BSD-2-Clause

package scanner

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
)

// file is a simulated utmpx file that takes some time to read.
type file struct {
	mu    sync.Mutex
	takes time.Duration
	err   error
	snap  *snapshot.Snapshot
	prevs []*snapshot.Snapshot
}

func (f *file) Snapshot(prev *snapshot.Snapshot) (*snapshot.Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prevs = append(f.prevs, prev)
	time.Sleep(f.takes)
	return f.snap, f.err
}

// bench calls run in a synctest bubble with a running Scanner. seen waits until
// the Scanner is idle and returns the events since the last call.
func bench(t *testing.T, f *file, n Notifier, run func(s *Scanner, seen func() []Event)) {
	benchOf(t, f, n, func(*Options) {}, run)
}

// benchOf is bench with more options, which set makes in the bubble of the test.
func benchOf(t *testing.T, f *file, n Notifier, set func(*Options), run func(s *Scanner, seen func() []Event)) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var events []Event
		o := Options{File: f, Notifier: n, Period: time.Minute, Emit: func(ev Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, ev)
		}}
		set(&o)
		s := New(o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		synctest.Wait()
		run(s, func() []Event {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			out := events
			events = nil
			return out
		})
		cancel()
		<-done
	})
}

func TestPeriod(t *testing.T) {
	f := &file{snap: &snapshot.Snapshot{}}
	bench(t, f, nil, func(s *Scanner, seen func() []Event) {
		if got := seen(); len(got) != 1 || !got[0].Periodic {
			t.Fatalf("at the start: %+v, want one periodic scan", got)
		}
		time.Sleep(10*time.Minute + time.Second)
		if got := seen(); len(got) != 10 {
			t.Errorf("%d scans in ten minutes, want 10", len(got))
		}
		if f.prevs[0] != nil || f.prevs[5] != f.snap {
			t.Error("a scan did not get the snapshot of the one before")
		}
		s.SetPeriod(time.Second)
		time.Sleep(5500 * time.Millisecond)
		if got := seen(); len(got) < 5 || len(got) > 6 {
			t.Errorf("%d scans in 5.5 s with a period of 1 s, want 5 or 6", len(got))
		}
	})
}

func TestNoticesAreOne(t *testing.T) {
	f := &file{takes: 3 * time.Millisecond}
	bench(t, f, nil, func(s *Scanner, seen func() []Event) {
		time.Sleep(time.Second)
		seen()
		for range 1000 {
			s.Rescan()
		}
		time.Sleep(time.Second)
		// One scan at once, and one for all notices during that one.
		if got := seen(); len(got) != 2 || got[0].Periodic {
			t.Errorf("%d scans for a thousand notices in a row, want 2", len(got))
		}
	})
}

// TestPauseBoundsTheCost checks the rate of scans of a file that changes all the
// time.
func TestPauseBoundsTheCost(t *testing.T) {
	f := &file{takes: 20 * time.Millisecond}
	bench(t, f, nil, func(s *Scanner, seen func() []Event) {
		time.Sleep(time.Second)
		seen()
		end := time.Now().Add(10 * time.Second)
		for time.Now().Before(end) {
			s.Rescan()
			time.Sleep(time.Millisecond)
		}
		got := seen()
		if most := int(10*time.Second/(f.takes*(pauseFactor+1))) + 1; len(got) > most || len(got) < most-2 {
			t.Errorf("%d scans of %v each in 10 s, want about %d", len(got), f.takes, most)
		}
	})
}

// TestPauseOfABusyMachine: a scan that waits for a processor does not make the next ones
// wait long. The bench's file takes time and no processor.
func TestPauseOfABusyMachine(t *testing.T) {
	for _, tt := range []struct {
		name  string
		share int // the part of a scan's time that is processor time
		pause time.Duration
	}{
		{"a hundredth is work", 100, 200 * time.Millisecond},
		{"a tenth is work", 10, 400 * time.Millisecond},
		{"all is work", 1, 4 * time.Second},
		{"not known", 0, 4 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &file{takes: 200 * time.Millisecond}
			benchOf(t, f, nil, func(o *Options) {
				began := time.Now()
				o.Used = func() time.Duration {
					if tt.share == 0 {
						return 0
					}
					return time.Second + time.Since(began)/time.Duration(tt.share)
				}
			}, func(s *Scanner, seen func() []Event) {
				end := time.Now().Add(time.Minute)
				for time.Now().Before(end) {
					s.Rescan()
					time.Sleep(time.Millisecond)
				}
				got := seen()
				for i := 2; i < len(got); i++ {
					pause := got[i].Began.Sub(got[i-1].Began) - f.takes
					if pause < tt.pause || pause > tt.pause+5*time.Millisecond {
						t.Fatalf("a pause of %v, want %v", pause, tt.pause)
					}
				}
				if len(got) < 3 {
					t.Errorf("%d scans", len(got))
				}
			})
		})
	}
}

func TestErrorGoesOn(t *testing.T) {
	f := &file{err: errors.New("unreadable")}
	bench(t, f, nil, func(s *Scanner, seen func() []Event) {
		if got := seen(); got[0].Err == nil {
			t.Error("the event has no error")
		}
		f.mu.Lock()
		f.err = nil
		f.mu.Unlock()
		s.Rescan()
		time.Sleep(time.Second)
		if got := seen(); len(got) != 1 || got[0].Err != nil {
			t.Errorf("after the error: %+v, want one scan without an error", got)
		}
	})
}

// TestErrorIsTriedAgain checks that a failed scan is repeated without a notice.
func TestErrorIsTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want int // scans in the first 20 s
	}{
		{"unreadable", errors.New("input/output error"), 5}, // after 0, 1, 3, 7, 15 s
		{"missing", fs.ErrNotExist, 1},
		{"no error", nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			bench(t, &file{err: c.err}, nil, func(_ *Scanner, seen func() []Event) {
				time.Sleep(20 * time.Second)
				if got := seen(); len(got) != c.want {
					t.Errorf("%d scans in 20 s, want %d", len(got), c.want)
				}
			})
		})
	}
}

// quitter is a Notifier that fails at once.
type quitter struct{ renewed int }

func (q *quitter) Run(context.Context, func()) error { return errors.ErrUnsupported }
func (q *quitter) Renew()                            { q.renewed++ }

func TestNotifierGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &quitter{}
		n := 0
		failed := make(chan error, 1)
		s := New(Options{File: &file{}, Notifier: q, Period: time.Minute, Emit: func(Event) { n++ }, Failed: func(err error) { failed <- err }})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute+time.Second)
		defer cancel()
		s.Run(ctx)
		if err := <-failed; !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
		if n != 4 || q.renewed != 0 {
			t.Errorf("%d scans and %d renewals in three minutes, want 4 and none", n, q.renewed)
		}
	})
}

// flaky is a Notifier that fails as often as said, and then works.
type flaky struct{ fails, runs int }

func (f *flaky) Run(ctx context.Context, notice func()) error {
	if f.runs++; f.runs <= f.fails {
		return errors.New("too many open files")
	}
	notice()
	<-ctx.Done()
	return nil
}

func (f *flaky) Renew() {}

// TestNotifierComesBack: while there are no notices, the file is looked at each second. The
// Notifier is tried again at each periodic scan.
func TestNotifierComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &flaky{fails: 3}
		var looks, state, scans, failed atomic.Int64
		var back atomic.Bool
		s := New(Options{
			File: &file{}, Notifier: n, Period: time.Minute,
			Emit: func(ev Event) {
				if !ev.Periodic {
					scans.Add(1)
				}
			},
			Look: func() any { looks.Add(1); return state.Load() },
			Failed: func(err error) {
				if back.Store(err == nil); err != nil {
					failed.Add(1)
				}
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		time.Sleep(10500 * time.Millisecond)
		synctest.Wait()
		if n := looks.Load(); n < 10 || scans.Load() > 1 {
			t.Errorf("%d looks and %d scans in ten seconds, want 10 and one to be sure", n, scans.Load())
		}
		before := scans.Load()
		state.Add(1)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := scans.Load() - before; n != 2 {
			t.Errorf("%d scans after a change, want it and one to be sure", n)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if n.runs != 4 || failed.Load() != 1 || !back.Load() {
			t.Errorf("the Notifier ran %d times, failed %d times for the log, is back: %v", n.runs, failed.Load(), back.Load())
		}
		looks.Store(0)
		time.Sleep(time.Minute)
		if n := looks.Load(); n != 0 {
			t.Errorf("%d looks while there are notices", n)
		}
		cancel()
		<-done
	})
}
