// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/clock"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/metrics"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/table"
)

// TestMetricsWritten checks when the metrics are written: at each heartbeat and at the end,
// and else at most each 15 seconds, but then soon after a change.
func TestMetricsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, runDir := metered(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		started := time.Now()
		go func() { ended <- d.live(ctx, nil) }()
		at := func(since time.Duration) {
			time.Sleep(time.Until(started.Add(since)))
			synctest.Wait()
		}
		written := regexp.MustCompile(`(?m)^utmpd_(up|written_timestamp_seconds) (.*)$`)
		read := func() (got [2]string) {
			b, err := os.ReadFile(filepath.Join(runDir, metrics.File))
			if err != nil {
				t.Fatal(err)
			}
			for i, m := range written.FindAllStringSubmatch(string(b), -1) {
				got[i] = m[2]
			}
			return got
		}
		at(2 * time.Second)
		first := read()
		d.fileHangs("utmpx", time.Now(), "")
		at(5 * time.Second)
		if got := read(); got != first {
			t.Errorf("written again after 3 s: %v, first %v", got, first)
		}
		at(20 * time.Second)
		second := read()
		if second == first {
			t.Error("a change was not written in 15 s")
		}
		at(50 * time.Second)
		if got := read(); got != second {
			t.Errorf("written again although nothing changed: %v, then %v", second, got)
		}
		d.fileHangs("utmpx", time.Time{}, "")
		at(55 * time.Second)
		third := read()
		if third == second {
			t.Error("a change was not written at once, after more than 15 s")
		}
		at(62 * time.Second)
		if read() == third {
			t.Error("not written at the heartbeat")
		}
		d.rooms.Go(func() { // has taken an order before the end
			<-ctx.Done()
			time.Sleep(time.Second)
			d.cleaned([]session.Result{{Outcome: session.Done, Logout: session.Appended}})
		})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := read(); got[0] != "0" {
			t.Errorf("utmpd_up is %s at the end", got[0])
		}
		b, _ := os.ReadFile(filepath.Join(runDir, metrics.File))
		if want := "utmpd_logouts_written_total 1\n"; !strings.Contains(string(b), want) {
			t.Errorf("the last metrics lack %q: %s", want, b)
		}
	})
}

// TestMetricsCounted: what is counted is a change, too, though the status does not show it.
func TestMetricsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, runDir := metered(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.live(ctx, nil) }()
		locked := &recfile.LockedError{Name: "/utmp"}
		time.Sleep(20 * time.Second)
		d.emit(input{time.Now(), []table.Event{table.Cleaned{Results: []session.Result{{Outcome: session.Busy, Err: locked}}}}})
		time.Sleep(16 * time.Second)
		b, err := os.ReadFile(filepath.Join(runDir, metrics.File))
		if want := `utmpd_clean_delays_total{cause="locked"} 1`; err != nil || !strings.Contains(string(b), want) {
			t.Errorf("16 s later the metrics lack %q: %v\n%s", want, err, b)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestMetricsStepped: until when the status and the metrics are true is told by the wall
// clock, so both are written again at once when that was stepped.
func TestMetricsStepped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, runDir := metered(t)
		d.on.contained = true // the host records the step
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.live(ctx, nil) }()
		time.Sleep(20 * time.Second)
		os.Remove(filepath.Join(runDir, "status"))
		os.Remove(filepath.Join(runDir, metrics.File))
		d.stepped(ctx, clock.Step{Old: time.Now().Add(-time.Hour), New: time.Now()})
		time.Sleep(time.Second)
		if _, err := os.Stat(filepath.Join(runDir, "status")); err != nil {
			t.Error(err)
		}
		b, err := os.ReadFile(filepath.Join(runDir, metrics.File))
		if want := "utmpd_clock_steps_total 1\n"; !strings.Contains(string(b), want) {
			t.Errorf("the metrics lack %q: %v\n%s", want, err, b)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// metered returns a daemon with a RUN_DIR and nothing to do.
func metered(t *testing.T) (d *daemon, runDir string) {
	runDir = t.TempDir()
	files := simfile.New()
	files.WriteFile("/utmp", nil)
	files.WriteFile("/wtmp", nil)
	on, begun := quiet(files), time.Now()
	on.clocks = func() clock.Reading { // the clock is not stepped
		return clock.Reading{Wall: time.Now(), Up: time.Hour + time.Since(begun)}
	}
	cfg := config.Config{
		Reloadable: config.Reloadable{ScanPeriod: time.Hour, MaxFDs: 10, WtmpxUpdateFreq: time.Minute},
		Fixed:      config.Fixed{UtmpxFile: "/utmp", WtmpxFile: "/wtmp", RunDir: runDir},
	}
	d = newDaemon(flags{}, cfg, logger{slog.New(slog.DiscardHandler), io.NopCloser(nil)}, func() {}, on)
	d.build()
	return d, runDir
}

// TestMetricsRetried: what could not be written is written ten seconds later.
func TestMetricsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, runDir := metered(t)
		inTheWay := filepath.Join(runDir, metrics.File, "x")
		if err := os.MkdirAll(inTheWay, 0o755); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.live(ctx, nil) }()
		time.Sleep(2 * time.Second)
		os.Remove(inTheWay)
		os.Remove(filepath.Dir(inTheWay))
		time.Sleep(10 * time.Second)
		if _, err := os.Stat(filepath.Join(runDir, metrics.File)); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestLastCrash(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 11, 1, h, 0, 0, 0, time.UTC) }
	known := boots.Exactness{Known: true, Within: time.Minute}
	crashed := boots.Past{From: at(1), To: at(2), End: boots.Crashed, Exact: known}
	unknown := boots.Past{From: at(1), To: at(2), End: boots.Crashed}
	shut := boots.Past{From: at(3), To: at(4), End: boots.ShutDown, Exact: known}
	for _, tt := range []struct {
		name string
		past []boots.Past
		want metrics.Crash
	}{
		{"nothing is known", nil, metrics.Crash{}},
		{"no crash", []boots.Past{shut}, metrics.Crash{}},
		{"bounds", []boots.Past{crashed}, metrics.Crash{Earliest: at(2), Latest: at(2).Add(time.Minute)}},
		{"before the last boot", []boots.Past{crashed, shut}, metrics.Crash{Earliest: at(2), Latest: at(2).Add(time.Minute)}},
		{"no bounds: before the next boot", []boots.Past{unknown, shut}, metrics.Crash{Earliest: at(2), Latest: at(3)}},
		{"no bounds: before this boot", []boots.Past{unknown}, metrics.Crash{Earliest: at(2), Latest: at(9)}},
		{"the clock was set back", []boots.Past{unknown, {From: at(0), To: at(1), End: boots.ShutDown}}, metrics.Crash{Earliest: at(2), Latest: at(2)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, lastCrash(tt.past, at(9))); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
