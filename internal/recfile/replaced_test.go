// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"errors"
	"fmt"
	"slices"
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

// TestReplacedWhileWaiting: the lock of a file that is gone is worth nothing.
func TestReplacedWhileWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, s *simfile.System, f *recfile.File, was *snapshot.Snapshot) {
		h := lockAs(t, s, 7)
		swapped, put := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := f.Swap(t.Context(), was.Generation(), end(was, 0))
			swapped <- err
		}()
		go func() {
			_, err := f.Put(t.Context(), sess("pts/5", 5))
			put <- err
		}()
		synctest.Wait()
		s.Rename("/utmp", "/utmp.old")
		old := s.ReadFile("/utmp.old")
		s.WriteFile("/utmp", nil)
		// The old file stays locked; the waiters see within a second that it is
		// the wrong one.
		if err := <-swapped; !errors.Is(err, recfile.ErrReplaced) {
			t.Errorf("Swap: %v", err)
		}
		if err := <-put; err != nil {
			t.Errorf("Put: %v", err)
		}
		if string(s.ReadFile("/utmp.old")) != string(old) {
			t.Error("the old file was written")
		}
		if got := string(s.ReadFile("/utmp")); got != string(raw(t, layout, sess("pts/5", 5))) {
			t.Error("the new file does not hold the one record")
		}
		h.Close()
	})
}

// TestReplacedBeforeTheLock: between opening and locking, the name moved on.
func TestReplacedBeforeTheLock(t *testing.T) {
	for _, at := range []simfile.Call{simfile.Stat, simfile.TryLock} {
		t.Run(string(at), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *simfile.System, f *recfile.File, was *snapshot.Snapshot) {
				once := sync.Once{}
				data := s.ReadFile("/utmp")
				s.Inject(func(op simfile.Op) *simfile.Fault {
					if op.Call == at {
						once.Do(func() {
							s.Rename("/utmp", "/utmp.old")
							s.WriteFile("/utmp", data)
						})
					}
					return nil
				})
				done, err := f.Swap(t.Context(), was.Generation(), end(was, 0))
				if !errors.Is(err, recfile.ErrReplaced) || done[0] {
					t.Errorf("Swap: %v, %v", done, err)
				}
				if string(s.ReadFile("/utmp.old")) != string(data) || string(s.ReadFile("/utmp")) != string(data) {
					t.Error("a file was written")
				}
			})
		})
	}
}

// TestWaitersAreBounded: files replaced under a holder that never lets go.
func TestWaitersAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, s *simfile.System, f *recfile.File, _ *snapshot.Snapshot) {
		var held []sysfile.Handle
		for i := range 12 {
			held = append(held, lockAs(t, s, 7))
			began := time.Now()
			_, err := f.Put(within(t, time.Millisecond), sess("pts/5", 5))
			if !errors.Is(err, sysfile.ErrLocked) {
				t.Fatalf("Put: %v", err)
			}
			if gave := time.Since(began) == 0; gave != (i >= recfile.MaxWaiters) {
				t.Errorf("file %d: gave up at once: %v", i, gave)
			}
			s.WriteFile("/utmp", nil)
		}
		if n := s.OpenHandles() - len(held); n != recfile.MaxWaiters {
			t.Errorf("%d wait, want %d", n, recfile.MaxWaiters)
		}
		for _, h := range held {
			h.Close()
		}
	})
}

// TestReplacedBetweenBatches: one call writes into one file, also where the
// caller did not say into which.
func TestReplacedBetweenBatches(t *testing.T) {
	s := simfile.New()
	data := raw(t, layout, slices.Repeat([]utmpx.Record{sess("pts/0", 1)}, 300)...)
	s.WriteFile("/utmp", data)
	f := recfile.NewFile("/utmp", recfile.Options{System: s})
	was, err := f.Snapshot(nil)
	check(t, err)
	var swaps []recfile.Swap
	for i := range 300 {
		swaps = append(swaps, end(was, i)...)
	}
	writes := 0
	s.Inject(func(op simfile.Op) *simfile.Fault {
		if op.Call == simfile.Write {
			if writes++; writes == 256 {
				s.WriteFile("/utmp", data)
			}
		}
		return nil
	})
	done, err := f.Swap(t.Context(), snapshot.Generation{}, swaps)
	if !errors.Is(err, recfile.ErrReplaced) || !done[255] || done[256] {
		t.Errorf("Swap: %v, %v", done[255:257], err)
	}
	if string(s.ReadFile("/utmp")) != string(data) {
		t.Error("the new file was written")
	}
}

// TestLockFails: what is no lock of somebody's is told as it is.
func TestLockFails(t *testing.T) {
	broken := errors.New("no locks available")
	for _, at := range []simfile.Call{simfile.TryLock, simfile.Lock, simfile.Lookup, simfile.Stat, simfile.Open, simfile.Read, simfile.Write} {
		t.Run(string(at), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *simfile.System, f *recfile.File, was *snapshot.Snapshot) {
				var h sysfile.Handle
				if at == simfile.Lock {
					h = lockAs(t, s, 7)
				}
				before := s.ReadFile("/utmp")
				s.Inject(func(op simfile.Op) *simfile.Fault {
					if op.Call == at && op.PID == 0 {
						return &simfile.Fault{Err: broken}
					}
					return nil
				})
				done, err := f.Swap(t.Context(), was.Generation(), end(was, 0))
				if !errors.Is(err, broken) || done[0] {
					t.Errorf("Swap: %v, %v", done, err)
				}
				if string(s.ReadFile("/utmp")) != string(before) {
					t.Error("the file was written")
				}
				if h != nil {
					h.Close()
				}
			})
		})
	}
}

// TestTornSwap: a write that fails halfway leaves the record as it was.
func TestTornSwap(t *testing.T) {
	bubble(t, func(t *testing.T, s *simfile.System, f *recfile.File, was *snapshot.Snapshot) {
		before := s.ReadFile("/utmp")
		torn := false
		s.Inject(func(op simfile.Op) *simfile.Fault {
			if op.Call == simfile.Write && !torn {
				torn = true
				return &simfile.Fault{N: 100, Err: errors.New("input/output error")}
			}
			return nil
		})
		done, err := f.Swap(t.Context(), was.Generation(), end(was, 1))
		if err == nil || done[0] || !torn {
			t.Errorf("Swap: %v, %v", done, err)
		}
		if string(s.ReadFile("/utmp")) != string(before) {
			t.Error("the record is torn")
		}
	})
}

// TestLockIsHeldForABatch: others get their turn among many records.
func TestLockIsHeldForABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simfile.New()
		var recs []utmpx.Record
		for i := range 1000 {
			recs = append(recs, sess(fmt.Sprint("pts/", i), int64(i)))
		}
		s.WriteFile("/utmp", raw(t, layout, recs...))
		f := recfile.NewFile("/utmp", recfile.Options{System: s})
		was, err := f.Snapshot(nil)
		check(t, err)
		var swaps []recfile.Swap
		for i := range 1000 {
			swaps = append(swaps, end(was, i)...)
		}
		s.Calls()
		_, err = f.Swap(t.Context(), was.Generation(), swaps)
		check(t, err)
		c := s.Calls()
		diff(t, "locks, writes, syncs", []int{4, 1000, 0}, []int{c[simfile.TryLock], c[simfile.Write], c[simfile.Sync]})
	})
}
