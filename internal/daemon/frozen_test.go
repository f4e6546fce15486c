// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/clock"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/logind"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/sdnotify"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/watcher"
)

// TestFrozenAtRest checks that on a machine where nothing happens, and with no watchdog, a
// file system that does not answer is named in the log and in the status, which is on
// another one.
func TestFrozenAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runDir := t.TempDir()
		thaw := make(chan struct{})
		files := simfile.New()
		files.WriteFile("/utmp", nil)
		files.WriteFile("/wtmp", nil)
		files.Inject(func(op simfile.Op) *simfile.Fault {
			if op.Call == simfile.Utime {
				<-thaw
			}
			return nil
		})
		var log lockedBuffer
		cfg := config.Config{
			Reloadable: config.Reloadable{ScanPeriod: time.Hour, MaxFDs: 10, WtmpxUpdateFreq: time.Minute},
			Fixed:      config.Fixed{UtmpxFile: "/utmp", WtmpxFile: "/wtmp", RunDir: runDir},
		}
		on := quiet(files)
		on.logind = silentLogind()
		d := newDaemon(flags{}, cfg, logger{slog.New(slog.NewTextHandler(&log, nil)), io.NopCloser(nil)}, func() {}, on)
		d.store = frozenStore{thaw}
		d.build()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.live(ctx, nil) }()
		synctest.Wait()
		rooms := 2 // those of the pipe and of memory, which are not needed here
		d.atWork.mu.Lock()
		for _, n := range d.atWork.rooms {
			rooms += n
		}
		d.atWork.mu.Unlock()
		if rooms != roomThreads {
			t.Errorf("%d rooms are at work, %s, and there are threads for %d", rooms, d.atWork.String(), roomThreads)
		}
		d.saver.next <- saving{whole: &state.State{}}

		// In a moment of the bubble, whose clock waits for no file of the kernel's.
		statusText := func() string {
			synctest.Wait()
			b, _ := os.ReadFile(filepath.Join(runDir, "status"))
			return string(b)
		}
		time.Sleep(slow + 2*time.Second)
		for _, want := range []string{"setting the access time of wtmpx since", "saving the table since"} {
			if got := statusText(); !strings.Contains(got, want) {
				t.Errorf("the status lacks %q:\n%s", want, got)
			}
			if got := log.String(); !strings.Contains(got, want) {
				t.Errorf("the log lacks %q:\n%s", want, got)
			}
		}
		close(thaw)
		time.Sleep(2 * time.Second)
		if got := statusText(); strings.Contains(got, "no answer") {
			t.Errorf("after the thaw:\n%s", got)
		}
		if got := log.String(); !strings.Contains(got, "the system answers again") {
			t.Errorf("after the thaw:\n%s", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestFrozenLogin checks that a login of logind is named that waits for a file system, and
// that it is recorded after the thaw.
func TestFrozenLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runDir := t.TempDir()
		thaw := make(chan struct{})
		files := simfile.New()
		files.WriteFile("/utmp", nil)
		files.WriteFile("/wtmp", nil)
		files.Inject(func(op simfile.Op) *simfile.Fault {
			if op.Call == simfile.Append {
				<-thaw
			}
			return nil
		})
		var log lockedBuffer
		cfg := config.Config{
			Reloadable: config.Reloadable{ScanPeriod: time.Hour, MaxFDs: 10, WtmpxUpdateFreq: time.Hour},
			Fixed:      config.Fixed{UtmpxFile: "/utmp", WtmpxFile: "/wtmp", RunDir: runDir},
		}
		stop := liveWith(t, files, cfg, &log, logind.Session{})
		time.Sleep(time.Minute)
		synctest.Wait()
		const want = "recording a session of logind in wtmpx since"
		if b, _ := os.ReadFile(filepath.Join(runDir, "status")); !strings.Contains(string(b), want) {
			t.Errorf("the status lacks %q:\n%s", want, b)
		}
		if got := log.String(); !strings.Contains(got, want) {
			t.Errorf("the log lacks %q:\n%s", want, got)
		}
		close(thaw)
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, want := range []string{"the system answers again", "session recorded for logind"} {
			if got := log.String(); !strings.Contains(got, want) {
				t.Errorf("after the thaw the log lacks %q:\n%s", want, got)
			}
		}
		stop()
	})
}

// silentLogind is a logind that never answers.
func silentLogind() *logindMachine {
	return &logindMachine{
		listen:    func(ctx context.Context, _ <-chan struct{}, _ func(logind.View)) { <-ctx.Done() },
		ptys:      func(ctx context.Context, _ func(bool)) error { <-ctx.Done(); return nil },
		terminals: func() ([]proc.LedTerminal, error) { return nil, nil },
		near:      func([]int32) ([]proc.LedTerminal, bool) { return nil, true },
		above:     func(int32) []int32 { return nil },
		session:   func(int32) string { return "" },
		device:    func(string) bool { return true },
		shell:     func(int32) bool { return true },
		missing:   func(string) bool { return false },
	}
}

// oneProcess has process 100, which lives.
type oneProcess struct{ emptyKernel }

func (oneProcess) Find(pid int32) (watcher.Process, error) {
	if pid == 100 {
		return living{}, nil
	}
	return emptyKernel{}.Find(pid)
}

type living struct{}

func (living) ID() session.ID         { return session.ID{PID: 100} }
func (living) Nobody() session.Nobody { return 0 }
func (living) Ended() (bool, bool)    { return false, false }
func (living) Unsure() bool           { return false }
func (living) Status() session.Status { return session.Status{} }
func (living) Close() error           { return nil }

// quiet is a machine where nothing happens, with these files.
func quiet(files *simfile.System) machine {
	return machine{
		files: files, procs: watcher.Polling(emptyKernel{}),
		notifier:   func(string) scanner.Notifier { return silent{} },
		appends:    func(string) scanner.Notifier { return silent{} },
		systemd:    sdnotify.New(func(string) string { return "" }),
		wall:       func(at time.Time) time.Time { return at },
		up:         func(time.Time) time.Duration { return time.Hour },
		clocks:     func() clock.Reading { return clock.Reading{Wall: time.Now(), Up: time.Hour} },
		clockSet:   func(ctx context.Context, _ func()) error { <-ctx.Done(); return nil },
		raiseLimit: func(want int) (int, error) { return want, nil },
		missing:    func(config.Fixed, bool, bool) []string { return nil },
	}
}

// silent is a Notifier that gives one notice.
type silent struct{}

func (silent) Run(ctx context.Context, notice func()) error {
	notice()
	<-ctx.Done()
	return nil
}

func (silent) Renew() {}

// frozenStore saves nothing before the thaw.
type frozenStore struct{ thaw chan struct{} }

func (frozenStore) Load() (state.State, error) { return state.State{}, fs.ErrNotExist }
func (f frozenStore) Save(state.State) error   { <-f.thaw; return nil }

func (f frozenStore) Append(...state.Change) (bool, error) { <-f.thaw; return false, nil }

// emptyKernel has no processes.
type emptyKernel struct{ watcher.Kernel }

func (emptyKernel) Find(pid int32) (watcher.Process, error) {
	return nil, fmt.Errorf("process %d: %w", pid, proc.ErrGone)
}
