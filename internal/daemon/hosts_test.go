// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/logind"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/watcher"
	"utmpd.dev/utmpd/utmpx"
)

// TestLogindHosts: with LOGIND_HOSTS=no neither file and no line of the log has the name or
// the address of the machine from which somebody came.
func TestLogindHosts(t *testing.T) {
	tests := []struct {
		name            string
		hosts           bool
		remote, display string
		want            string // the host in the record
		address         bool
	}{
		{"an address", true, "192.0.2.7", "", "192.0.2.7", true},
		{"an address, no", false, "192.0.2.7", "", "", false},
		{"a name, no", false, "desk.example", "", "", false},
		{"a display of another machine", true, "", "desk.example:0", "desk.example:0", false},
		{"a display of another machine, no", false, "", "desk.example:0", "", false},
		{"an address and this machine's display, no", false, "192.0.2.7", ":0", ":0", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				files := simfile.New()
				files.WriteFile("/utmp", nil)
				files.WriteFile("/wtmp", nil)
				var log lockedBuffer
				cfg := config.Config{
					Reloadable: config.Reloadable{ScanPeriod: time.Hour, MaxFDs: 10, WtmpxUpdateFreq: time.Hour},
					Fixed:      config.Fixed{UtmpxFile: "/utmp", WtmpxFile: "/wtmp", RunDir: t.TempDir(), LogindHosts: tt.hosts},
				}
				stop := liveWith(t, files, cfg, &log, logind.Session{RemoteHost: tt.remote, Display: tt.display})
				time.Sleep(time.Minute)
				synctest.Wait()
				stop()
				for _, file := range []string{"/utmp", "/wtmp"} {
					b := files.ReadFile(file)
					if len(b) == 0 {
						t.Fatalf("%s is empty; the log:\n%s", file, log.String())
					}
					r := utmpx.Native().Decode(string(b))
					if r.User != "alice" || r.Host != tt.want || (r.Addr != [16]byte{}) != tt.address {
						t.Errorf("%s has host %q, address %v: %+v", file, r.Host, r.Addr, r)
					}
				}
				if got := log.String(); !tt.hosts && (strings.Contains(got, "192.0.2.7") || strings.Contains(got, "desk.example")) {
					t.Errorf("the log:\n%s", got)
				}
			})
		})
	}
}

// liveWith starts a daemon beside a logind that has alice on tty1; the rest of the session may
// be given. stop ends it.
func liveWith(t *testing.T, files *simfile.System, cfg config.Config, log io.Writer, s logind.Session) (stop func()) {
	t.Helper()
	s.ID, s.User, s.Leader, s.Since, s.TTY, s.Seat, s.VT = "1", "alice", 100, time.Now(), "tty1", "seat0", 1
	s.Service, s.Class, s.State = "login", "user", "active"
	on := quiet(files)
	on.logind = silentLogind()
	on.procs = watcher.Polling(oneProcess{})
	on.logind.listen = func(ctx context.Context, _ <-chan struct{}, report func(logind.View)) {
		report(logind.View{Known: true, Sessions: []logind.Session{s}})
		<-ctx.Done()
	}
	d := newDaemon(flags{}, cfg, logger{slog.New(slog.NewTextHandler(log, nil)), io.NopCloser(nil)}, func() {}, on)
	d.build()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- d.live(ctx, nil) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
