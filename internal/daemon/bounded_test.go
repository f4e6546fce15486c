// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/clock"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/sdnotify"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/watcher"
)

// togglingStore fails at every other save.
type togglingStore struct{ saves int }

func (s *togglingStore) Load() (state.State, error) { return state.State{}, nil }

func (s *togglingStore) Save(state.State) error {
	if s.saves++; s.saves%2 == 1 {
		return errors.New("no space")
	}
	return nil
}

func (s *togglingStore) Append(...state.Change) (bool, error) { return false, nil }

// TestTogglingRooms: what a room warns of by itself, as often as it comes and goes, is bounded
// in an hour, and none is lost from the sum.
func TestTogglingRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		cfg := config.Config{
			Reloadable: config.Reloadable{ScanPeriod: time.Hour, MaxFDs: 10, WtmpxUpdateFreq: time.Minute},
			Fixed:      config.Fixed{UtmpxFile: "/utmp", WtmpxFile: "/wtmp", RunDir: t.TempDir()},
		}
		d := newDaemon(flags{}, cfg, logger{slog.New(slog.NewTextHandler(&log, nil)), io.NopCloser(nil)}, func() {},
			machine{files: simfile.New(), procs: watcher.Polling(emptyKernel{}),
				notifier:   func(string) scanner.Notifier { return silent{} },
				appends:    func(string) scanner.Notifier { return silent{} },
				systemd:    sdnotify.New(func(string) string { return "" }),
				wall:       func(at time.Time) time.Time { return at },
				up:         func(time.Time) time.Duration { return time.Hour },
				clocks:     func() clock.Reading { return clock.Reading{Wall: time.Now(), Up: time.Hour} },
				raiseLimit: func(want int) (int, error) { return want, nil },
			})
		d.store = &togglingStore{}
		d.build()
		for range 100 {
			d.saver.writeWhole(state.State{})
		}
		if n := strings.Count(log.String(), "cannot save the table"); n != toggleMost {
			t.Errorf("%d lines, want %d", n, toggleMost)
		}
		time.Sleep(hourPeriod)
		synctest.Wait()
		if !strings.Contains(log.String(), "suppressed=40") {
			t.Errorf("the sum is not told:\n%s", log.String())
		}
		d.reading.toggles.Close()
	})
}
