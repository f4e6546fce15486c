// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/state"
)

// slowStore is a store that writes one state for each value it is sent, and keeps
// their boot ids.
type slowStore struct {
	next  chan error
	wrote []string
}

func (s *slowStore) Load() (state.State, error) { return state.State{}, nil }

func (s *slowStore) Save(st state.State) error {
	s.wrote = append(s.wrote, st.BootID)
	return <-s.next
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
		s.save(state.State{BootID: "1"}, add("1"))
		synctest.Wait()
		s.save(state.State{BootID: "2"}, add("2"))
		s.save(state.State{BootID: "3"}, add("3a"), add("3b")) // would hang if it waited
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

// TestSaverSchedule: a save is due at once, then a second after the last at the
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
		wantDue("first", 0)
		s.save(state.State{})
		time.Sleep(300 * time.Millisecond)
		s.schedule()
		time.Sleep(300 * time.Millisecond)
		s.schedule()
		wantDue("second", saveEvery)
		s.save(state.State{})
		s.schedule()
		s.save(state.State{}) // for another reason: nothing is left to save
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
		s.save(state.State{}, func() { called = true })
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
