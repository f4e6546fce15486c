// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/sdnotify"
	"utmpd.dev/utmpd/internal/status"
)

// TestReadinessAwaitsStatus: nobody is told before the status says that utmpd is at work, or
// for a second could not.
func TestReadinessAwaitsStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, hangs := range []bool{false, true} {
			ready := 0
			r := newReadiness(sdnotify.New(func(string) string { return "" }), slog.New(slog.DiscardHandler), func() { ready++ })
			r.begin()
			r.saw(status.Starting)
			select {
			case <-r.seen():
				t.Error("a status that says it starts counts")
			case <-time.After(shownWithin - 1):
			}
			if hangs {
				<-r.late
			} else {
				r.saw(status.Running)
				<-r.seen()
			}
			r.reach()
			r.saw(status.Running)
			r.reach()
			if ready != 1 || r.seen() != nil || r.late != nil {
				t.Errorf("told %d times, still waiting %v, %v", ready, r.seen() != nil, r.late != nil)
			}
		}
	})
}

// TestReadinessRetries: a READY=1 that fails is logged once and due again; one that
// succeeds is not.
func TestReadinessRetries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	systemd := sdnotify.New(func(key string) string {
		if key == "NOTIFY_SOCKET" {
			return path
		}
		return ""
	})
	var log bytes.Buffer
	ready := 0
	r := newReadiness(systemd, slog.New(slog.NewTextHandler(&log, nil)), func() { ready++ })
	r.reloading()() // before it is ready, nothing is sent
	if log.Len() > 0 || r.retry != nil {
		t.Errorf("sent before ready; the log says %s", log.String())
	}
	r.reach()
	for range 2 {
		if r.retry == nil {
			t.Error("a failed READY=1 is not sent again")
		}
		r.notify()
	}
	if n := strings.Count(log.String(), "cannot notify the service manager"); n != 1 || ready != 1 {
		t.Errorf("logged %d times, want 1; ready %d times, want 1", n, ready)
	}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	r.notify()
	if r.retry != nil {
		t.Error("READY=1 is sent again though it was received")
	}
	buf := make([]byte, 64)
	_ = socket.SetReadDeadline(time.Now().Add(patience))
	if n, err := socket.Read(buf); err != nil || string(buf[:n]) != "READY=1" {
		t.Errorf("received %q, %v", buf[:n], err)
	}
}
