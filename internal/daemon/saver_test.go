// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/state"
)

// slowStore is a store that writes one state for each value it is sent, and keeps
// their boot ids.
type slowStore struct {
	next  chan error
	wrote []string
	full  bool
}

func (s *slowStore) Load() (state.State, error) { return state.State{}, nil }

func (s *slowStore) Save(st state.State) error {
	s.wrote = append(s.wrote, st.BootID)
	return <-s.next
}

func (s *slowStore) Append(changes ...state.Change) (bool, error) {
	for _, c := range changes {
		s.wrote = append(s.wrote, fmt.Sprint("+", c.Gone))
	}
	err := <-s.next
	return s.full, err
}

// whole is a state to save, and what to call after that.
func whole(id string, then ...func()) saving {
	return saving{whole: &state.State{BootID: id}, then: then}
}

// change is a change to save, and what to call after that.
func change(n int, then ...func()) saving {
	return saving{changes: []state.Change{{Changes: session.Changes{Gone: []int{n}}}}, then: then}
}

// TestSaverKeepsNewest: while a state is being written, the newest takes the place
// of those that wait, and what was to follow any of them follows.
func TestSaverKeepsNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{next: make(chan error)}
		var log bytes.Buffer
		s := newSaver(store, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go s.run(ctx)
		var then []string
		add := func(text string) func() { return func() { then = append(then, text) } }
		s.save(whole("1", add("1")))
		synctest.Wait()
		s.save(whole("2", add("2")))
		s.save(whole("3", add("3a"), add("3b"))) // would hang if it waited
		synctest.Wait()
		if then != nil {
			t.Errorf("%q came before the write had ended", then)
		}
		store.next <- errors.New("no space")
		synctest.Wait()
		store.next <- errors.New("no space")
		synctest.Wait()
		if d := cmp.Diff([]string{"1", "3"}, store.wrote); d != "" {
			t.Errorf("written (-want +got)\n%s", d)
		}
		if d := cmp.Diff([]string{"1", "2", "3a", "3b"}, then); d != "" {
			t.Errorf("called (-want +got)\n%s", d)
		}
		if n := strings.Count(log.String(), "cannot save the table"); n != 1 {
			t.Errorf("two failures in a row were logged %d times, want 1", n)
		}
	})
}

// TestSaverAddsChanges: changes are written after what they are changes to, also if they wait.
// If that fails, what follows them waits for the whole table, which takes the place of all
// that waits.
func TestSaverAddsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{next: make(chan error)}
		s := newSaver(store, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go s.run(ctx)
		var then []string
		add := func(text string) func() { return func() { then = append(then, text) } }
		s.save(whole("1", add("1")))
		synctest.Wait()
		s.save(change(2, add("2")))
		s.save(change(3, add("3")))
		store.next <- nil
		synctest.Wait()
		s.save(whole("4", add("4")))
		s.save(change(5, add("5")))
		store.next <- nil
		synctest.Wait() // 4 is being written
		store.next <- nil
		synctest.Wait() // 5 is
		s.save(change(6, add("6")))
		store.next <- errors.New("no space") // for 5
		synctest.Wait()
		if d := cmp.Diff([]string{"1", "2", "3"}, then); d != "" { // 4 came with 5
			t.Errorf("called (-want +got)\n%s", d)
		}
		if !s.mustBeWhole() {
			t.Error("after an error no whole table is wanted")
		}
		select {
		case <-s.retry:
		default:
			t.Error("after an error none is wanted at once")
		}
		s.save(whole("7", add("7")))
		store.next <- errors.New("no space") // for 6
		synctest.Wait()
		store.next <- nil
		synctest.Wait()
		if d := cmp.Diff([]string{"1", "+[2]", "+[3]", "4", "+[5]", "+[6]", "7"}, store.wrote); d != "" {
			t.Errorf("written (-want +got)\n%s", d)
		}
		if d := cmp.Diff([]string{"1", "2", "3", "4", "5", "6", "7"}, then); d != "" {
			t.Errorf("called (-want +got)\n%s", d)
		}
		s.mustBeWhole()
		store.full = true
		s.save(change(8))
		synctest.Wait()
		store.next <- nil
		synctest.Wait()
		if !s.mustBeWhole() || s.mustBeWhole() {
			t.Error("the table is not written whole once, after its file was full")
		}
	})
}

// TestSaverBounds: while a disk hangs, changes wait, and not without a bound.
func TestSaverBounds(t *testing.T) {
	s := newSaver(&slowStore{}, slog.New(slog.DiscardHandler))
	for range waitingMost {
		if s.mustBeWhole() {
			t.Fatal("too early")
		}
		s.save(change(1))
	}
	if !s.mustBeWhole() {
		t.Error("changes wait without a bound")
	}
	s.save(whole("1"))
	if next := <-s.next; len(next.changes) > 0 {
		t.Errorf("%d changes are left that the whole has", len(next.changes))
	}
}

// TestSaverSchedule: a save is due soon, with what follows, then a second after the last at the
// earliest, and only once however often it is scheduled.
func TestSaverSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSaver(&slowStore{}, slog.New(slog.DiscardHandler))
		began := time.Now()
		wantDue := func(name string, at time.Duration) {
			t.Helper()
			<-s.due.C
			if got := time.Since(began); got != at {
				t.Errorf("%s: due after %v, want %v", name, got, at)
			}
		}
		s.schedule()
		wantDue("first", saveSoon)
		s.save(whole(""))
		time.Sleep(300 * time.Millisecond)
		s.schedule()
		time.Sleep(300 * time.Millisecond)
		s.schedule()
		wantDue("second", saveSoon+saveEvery)
		s.save(whole(""))
		s.schedule()
		s.save(whole("")) // for another reason: nothing is left to save
		select {
		case <-s.due.C:
			t.Error("a state that was saved is due again")
		case <-time.After(time.Hour):
		}
	})
}

// TestSaverWithoutStore: without a RUN_DIR nothing is due, and what is to follow a
// save follows.
func TestSaverWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSaver(nil, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go s.run(ctx)
		s.schedule()
		called := false
		s.save(whole("", func() { called = true }))
		synctest.Wait()
		if !called {
			t.Error("what was to follow the save did not")
		}
		select {
		case <-s.due.C:
			t.Error("a save is due without a store")
		case <-time.After(time.Hour):
		}
	})
}
