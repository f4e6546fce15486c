// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// TestLockedByAnotherProcess: a POSIX lock stops writers, a read lock of
// somebody's does also, and neither stops a reader.
func TestLockedByAnotherProcess(t *testing.T) {
	tests := []struct {
		name           string
		read           bool
		write, compare bool // whether it is stopped
	}{
		{"write lock", false, true, true},
		{"read lock", true, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				w.Write(t, "utmp", raw(t, layout, sess("pts/0", 1)))
				f := open(w, "utmp")
				s, err := f.Snapshot(nil)
				check(t, err)
				pid, unlock := w.Lock(t, "utmp", tt.read)
				if _, err := f.Snapshot(s); err != nil {
					t.Errorf("Snapshot beside a lock: %v", err)
				}
				got, ok, err := f.Holder()
				if got != pid || !ok || err != nil {
					t.Errorf("Holder() = %d, %v, %v, want %d", got, ok, err, pid)
				}
				swap := []recfile.Swap{{Slot: 0, Old: s.Record(0), New: dead("pts/0", 2)}}
				_, err = f.Swap(expired(t), s.Generation(), swap)
				wantLocked(t, "Swap", err, pid, tt.write)
				_, err = f.Compare(expired(t), s.Generation(), swap)
				wantLocked(t, "Compare", err, pid, tt.compare)
				_, err = f.Put(expired(t), sess("pts/1", 3))
				wantLocked(t, "Put", err, pid, tt.write)
				diff(t, "file", strs(sess("pts/0", 1)), texts(t, w, "utmp"))

				unlock()
				done, err := f.Swap(t.Context(), s.Generation(), swap)
				if err != nil || !done[0] {
					t.Errorf("Swap after the unlock: %v, %v", done, err)
				}
				if _, ok, err := f.Holder(); ok || err != nil {
					t.Errorf("Holder() after the unlock = %v, %v", ok, err)
				}
			})
		})
	}
}

// expired is a context that ends at once.
func expired(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func wantLocked(t *testing.T, call string, err error, pid int32, locked bool) {
	t.Helper()
	if !locked {
		if err != nil {
			t.Errorf("%s: %v, want none", call, err)
		}
		return
	}
	var le *recfile.LockedError
	if !errors.Is(err, sysfile.ErrLocked) || !errors.Is(err, context.Canceled) || !errors.As(err, &le) {
		t.Errorf("%s: %v, want a LockedError", call, err)
		return
	}
	if le.PID != pid {
		t.Errorf("%s: locked by %d, want %d", call, le.PID, pid)
	}
	if want := fmt.Sprintf("locked by process %d", pid); !strings.Contains(err.Error(), want) {
		t.Errorf("%s says %q, want %q in it", call, err, want)
	}
}

// TestWaitsForTheLock: a caller that waits gets the lock when it is free.
func TestWaitsForTheLock(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "wtmp", raw(t, layout, boot(1)))
		l := recfile.NewLog(w.Path("wtmp"), recfile.Options{System: w.System()})
		_, unlock := w.Lock(t, "wtmp", false)
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				if err := l.Append(t.Context(), sess(fmt.Sprint("pts/", i), int64(i))); err != nil {
					t.Error(err)
				}
			})
		}
		unlock()
		wg.Wait()
		if got := texts(t, w, "wtmp"); len(got) != 6 {
			t.Errorf("%d records, want 6: %q", len(got), got)
		}
	})
}

// bubble runs a test in simulated time with one file of two records.
func bubble(t *testing.T, f func(t *testing.T, s *simfile.System, file *recfile.File, was *snapshot.Snapshot)) {
	synctest.Test(t, func(t *testing.T) {
		s := simfile.New()
		s.WriteFile("/utmp", raw(t, layout, sess("pts/0", 1), sess("pts/1", 2)))
		file := recfile.NewFile("/utmp", recfile.Options{System: s, Layout: layout})
		was, err := file.Snapshot(nil)
		check(t, err)
		f(t, s, file, was)
		synctest.Wait()
		if n := s.OpenHandles(); n != 0 {
			t.Errorf("%d handles are left open", n)
		}
	})
}

func lockAs(t *testing.T, s *simfile.System, pid int32) sysfile.Handle {
	t.Helper()
	h, err := s.As(pid).Open("/utmp", sysfile.ReadWrite)
	check(t, err)
	check(t, h.TryLock(sysfile.WriteLock))
	return h
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func end(was *snapshot.Snapshot, slot int) []recfile.Swap {
	r := was.Record(slot)
	r.Type = utmpx.DeadProcess
	return []recfile.Swap{{Slot: slot, Old: was.Record(slot), New: r}}
}

// TestLateLockIsDropped: who has given up holds nothing when the lock comes.
func TestLateLockIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T, s *simfile.System, f *recfile.File, was *snapshot.Snapshot) {
		before := s.ReadFile("/utmp")
		h := lockAs(t, s, 7)
		began := time.Now()
		_, err := f.Swap(within(t, 3*time.Second), was.Generation(), end(was, 0))
		if !errors.Is(err, sysfile.ErrLocked) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Swap: %v", err)
		}
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("gave up after %v, want 3s", d)
		}
		if n := s.Waiting("/utmp"); n != 1 {
			t.Errorf("%d wait, want the one that stays behind", n)
		}
		h.Close()
		synctest.Wait()
		if n := s.OpenHandles(); n != 0 {
			t.Errorf("the late lock is still held: %d handles", n)
		}
		if string(s.ReadFile("/utmp")) != string(before) {
			t.Error("something was written for a caller that had given up")
		}
	})
}

// TestWaiterIsAdopted: one thread waits, however many calls come and give up,
// and the call that claims it has its place in the queue.
func TestWaiterIsAdopted(t *testing.T) {
	bubble(t, func(t *testing.T, s *simfile.System, f *recfile.File, was *snapshot.Snapshot) {
		h := lockAs(t, s, 7)
		for range 20 {
			if _, err := f.Swap(within(t, time.Second), was.Generation(), end(was, 0)); !errors.Is(err, sysfile.ErrLocked) {
				t.Fatalf("Swap: %v", err)
			}
		}
		if n := s.Waiting("/utmp"); n != 1 {
			t.Errorf("%d wait, want 1", n)
		}
		// Another process comes later and must be served later.
		other, err := s.As(8).Open("/utmp", sysfile.ReadWrite)
		check(t, err)
		found := make(chan string, 1)
		go func() {
			other.Lock(sysfile.WriteLock)
			found <- string(s.ReadFile("/utmp"))
			other.Close()
		}()
		synctest.Wait()
		swapped := make(chan error, 1)
		go func() {
			done, err := f.Swap(t.Context(), was.Generation(), end(was, 0))
			if err == nil && !done[0] {
				err = errors.New("the record was another")
			}
			swapped <- err
		}()
		synctest.Wait()
		h.Close()
		check(t, <-swapped)
		if <-found != string(s.ReadFile("/utmp")) {
			t.Error("the process that came later had the lock first")
		}
	})
}

// TestLockAndDeadlineAtOnce: the lock comes in the moment in which the caller
// gives up. Either it is the caller's or it is dropped.
func TestLockAndDeadlineAtOnce(t *testing.T) {
	for range 100 {
		bubble(t, func(t *testing.T, s *simfile.System, f *recfile.File, was *snapshot.Snapshot) {
			h := lockAs(t, s, 7)
			go func() {
				time.Sleep(time.Second)
				h.Close()
			}()
			done, err := f.Swap(within(t, time.Second), was.Generation(), end(was, 0))
			if done[0] != (err == nil) || err != nil && !errors.Is(err, sysfile.ErrLocked) {
				t.Errorf("Swap: %v, %v", done, err)
			}
			synctest.Wait()
			other, err := s.As(8).Open("/utmp", sysfile.ReadWrite)
			check(t, err)
			check(t, other.TryLock(sysfile.WriteLock))
			other.Close()
		})
	}
}

// TestManyClaims: one waits in the kernel for many callers, each is served.
func TestManyClaims(t *testing.T) {
	bubble(t, func(t *testing.T, s *simfile.System, f *recfile.File, _ *snapshot.Snapshot) {
		h := lockAs(t, s, 7)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				ctx := t.Context()
				if i%2 == 0 {
					ctx = within(t, time.Second)
				}
				_, err := f.Put(ctx, sess(fmt.Sprint("q/", i), 1))
				if gave := errors.Is(err, sysfile.ErrLocked); gave != (i%2 == 0) || err != nil && !gave {
					t.Errorf("Put %d: %v", i, err)
				}
			})
		}
		synctest.Wait()
		if n := s.Waiting("/utmp"); n != 1 {
			t.Errorf("%d wait, want 1", n)
		}
		time.Sleep(2 * time.Second) // of the bubble: half give up
		h.Close()
		wg.Wait()
		if n := len(s.ReadFile("/utmp")) / layout.Size(); n != 7 {
			t.Errorf("%d records, want 2 and 5", n)
		}
	})
}
