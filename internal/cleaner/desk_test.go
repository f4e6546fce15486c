// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// frozen is a file system that answers no call while it is frozen.
type frozen chan struct{}

func (f frozen) wait() {
	if f != nil {
		<-f
	}
}

type frozenLog struct {
	Log
	append, read, sync frozen
	syncs              atomic.Int32
}

func (l *frozenLog) Append(ctx context.Context, choose func(*openlogins.Logins) []utmpx.Record) error {
	err := l.Log.Append(ctx, choose)
	l.append.wait()
	return err
}

func (l *frozenLog) Read(ctx context.Context) (*openlogins.Logins, error) {
	l.read.wait()
	return l.Log.Read(ctx)
}

func (l *frozenLog) Sync() error {
	l.syncs.Add(1)
	l.sync.wait()
	return l.Log.Sync()
}

type frozenFile struct {
	File
	swap frozen
}

func (f *frozenFile) Swap(ctx context.Context, gen snapshot.Generation, swaps []recfile.Swap) ([]bool, error) {
	f.swap.wait()
	return f.File.Swap(ctx, gen, swaps)
}

// A log that does not answer delays the Cleaner for seconds, once. What it does when it
// answers again stands.
func TestLogDoesNotAnswer(t *testing.T) {
	tests := []struct {
		name   string
		freeze func(*frozenLog, frozen)
		first  session.Outcome // of the job during which it freezes
	}{
		{"the append", func(l *frozenLog, f frozen) { l.append = f }, session.LogFailed},
		{"the first reading", func(l *frozenLog, f frozen) { l.read = f }, session.LogFailed},
		{"the sync", func(l *frozenLog, f frozen) { l.sync = f }, session.Done},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				alice, bob := login("pts/0", "alice", 100, start), login("pts/1", "bob", 101, start)
				for _, name := range []string{utmpName, wtmpName} {
					w.record(name, alice, bob)
				}
				jobs := w.jobs()
				thaw := make(frozen)
				log := &frozenLog{Log: w.c.opts.Log}
				tt.freeze(log, thaw)
				w.c.opts.Log = log
				run := w.runs(t)
				began := time.Now()
				if got := run.clean(jobs[0]); got.Outcome != tt.first || got.Err != nil && !errors.Is(got.Err, ErrHangs) {
					t.Errorf("the first job: %+v, want %v", got, tt.first)
				}
				time.Sleep(besideSync)
				if got := run.clean(jobs[1]); got.Outcome != session.LogFailed || !errors.Is(got.Err, ErrHangs) {
					t.Errorf("the next job: %+v, want %v", got, session.LogFailed)
				}
				jobs[1].SkipLog = true
				if got := run.clean(jobs[1]); got.Outcome != session.Done {
					t.Errorf("without the log: %+v, want %v", got, session.Done)
				}
				if took := time.Since(began); took > 10*time.Second { // as the manual page says
					t.Errorf("that took %v", took)
				}
				if len(run.told) != 1 || !run.told[0] {
					t.Errorf("told %v, want that it hangs", run.told)
				}
				close(thaw)
				synctest.Wait()
				if paid, err := run.pay(jobs[0].Debt(), jobs[1].Debt()); err != nil {
					t.Errorf("paid %+v, %v", paid, err)
				}
				if len(run.told) != 2 || run.told[1] {
					t.Errorf("told %v, want that it answers again", run.told)
				}
				if recs := w.records(wtmpName); len(recs) != 4 {
					t.Errorf("wtmp holds %s, want one logout each", brief(recs))
				}
			})
		})
	}
}

// slowLog is on a disk on which a sync takes a while.
type slowLog struct{ Log }

func (l slowLog) Sync() error {
	time.Sleep(3 * time.Second)
	return l.Log.Sync()
}

// A sync that does not come back is told, and holds up nothing. What was written meanwhile is
// synced once it is back.
func TestSyncDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice, bob := login("pts/0", "alice", 100, start), login("pts/1", "bob", 101, start)
		for _, name := range []string{utmpName, wtmpName} {
			w.record(name, alice, bob)
		}
		jobs := w.jobs()
		thaw := make(frozen)
		log := &frozenLog{Log: w.c.opts.Log, sync: thaw}
		w.c.opts.Log = log
		run := w.runs(t)
		began := time.Now()
		for _, job := range jobs {
			if got := run.clean(job); got.Outcome != session.Done || got.Logout != session.Appended {
				t.Errorf("got %+v, want %v", got, session.Done)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("that took %v", took)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(run.told) != 1 || !run.told[0] || log.syncs.Load() != 1 {
			t.Errorf("told %v after %d syncs, want one that hangs", run.told, log.syncs.Load())
		}
		close(thaw)
		synctest.Wait()
		if len(run.told) != 2 || run.told[1] || log.syncs.Load() != 2 {
			t.Errorf("told %v after %d syncs, want another one that has come back", run.told, log.syncs.Load())
		}
	})
}

// A slow sync delays nothing, and is no file system that does not answer.
func TestSlowSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice, bob, eve := login("pts/0", "alice", 100, start), login("pts/1", "bob", 101, start), login("pts/2", "eve", 102, start)
		for _, name := range []string{utmpName, wtmpName} {
			w.record(name, alice, bob, eve)
		}
		jobs := w.jobs()
		w.c.opts.Log = slowLog{w.c.opts.Log}
		run := w.runs(t)
		began := time.Now()
		for i := range jobs {
			if got := run.clean(jobs[i]); got.Outcome != session.Done {
				t.Errorf("job %d: %+v", i, got)
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("job %d was done after %v", i, took)
			}
		}
		if len(run.told) != 0 {
			t.Errorf("told %v of a file that answers", run.told)
		}
		time.Sleep(time.Minute)
	})
}

// A utmpx file that does not answer is waited for: its late result counts.
func TestFileDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := login("pts/0", "alice", 100, start)
		w.record(utmpName, alice)
		w.record(wtmpName, alice)
		jobs := w.jobs()
		thaw := make(frozen)
		w.c.opts.File = &frozenFile{w.c.opts.File, thaw}
		run := w.runs(t)
		time.AfterFunc(time.Minute, func() { close(thaw) })
		if got := run.clean(jobs[0]); got.Outcome != session.Done || got.Logout != session.Appended {
			t.Errorf("got %+v, want %v", got, session.Done)
		}
		if len(run.told) != 2 || !run.told[0] || run.told[1] {
			t.Errorf("told %v, want that it hangs, and that it answers again", run.told)
		}
	})
}

// running is a Cleaner at work in a synctest bubble.
type running struct {
	c    *Cleaner
	told []bool // whether a file hangs
}

// runs runs the Cleaner until the test ends.
func (w *world) runs(t *testing.T) *running {
	run := &running{c: w.c}
	w.c.opts.Hangs = func(_ string, since time.Time, _ string) { run.told = append(run.told, !since.IsZero()) }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return run
}

func (r *running) clean(job session.Job) session.Result {
	done := make(chan session.Result)
	r.c.Clean([]session.Job{job}, func(results []session.Result) { done <- results[0] })
	return <-done
}

func (r *running) pay(debts ...session.Debt) (paid Payment, err error) {
	done := make(chan struct{})
	r.c.Pay(debts, func(p Payment, e error) {
		paid, err = p, e
		close(done)
	})
	<-done
	return paid, err
}
