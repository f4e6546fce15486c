// SPDX-License-Identifier: BSD-2-Clause

package sdnotify

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func env(kv ...string) func(string) string {
	return func(key string) string {
		for i := 0; i < len(kv); i += 2 {
			if kv[i] == key {
				return kv[i+1]
			}
		}
		return ""
	}
}

// listen opens a service manager's socket and returns it with its Notifier.
func listen(t *testing.T) (*net.UnixConn, *Notifier) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, New(env("NOTIFY_SOCKET", path))
}

func TestMessages(t *testing.T) {
	reloading := `^RELOADING=1$`
	if runtime.GOOS == "linux" {
		reloading = `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`
	}
	tests := []struct {
		name string
		send func(*Notifier) error
		want string
	}{
		{"ready", (*Notifier).Ready, `^READY=1$`},
		{"reloading", (*Notifier).Reloading, reloading},
		{"stopping", (*Notifier).Stopping, `^STOPPING=1$`},
		{"watchdog", (*Notifier).Watchdog, `^WATCHDOG=1$`},
		{"status", func(n *Notifier) error { return n.Status("12 sessions, é") }, `^STATUS=12 sessions, é$`},
		{"status with a newline", func(n *Notifier) error { return n.Status("a\nREADY=1") }, `^STATUS=a\?READY=1$`},
		{"status with control characters", func(n *Notifier) error { return n.Status("\x1b[2J\u009b\x7f\u202e\xff\x00.") }, `^STATUS=\?\[2J\?{5}\.$`},
	}
	c, n := listen(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.send(n); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 4096)
			c.SetReadDeadline(time.Now().Add(5 * time.Second))
			m, err := c.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(tt.want).Match(b[:m]) {
				t.Errorf("got %q, want %s", b[:m], tt.want)
			}
		})
	}
}

func TestLongStatus(t *testing.T) {
	if s := clean("a" + strings.Repeat("é", maxStatus)); len(s) > maxStatus || len(s) < maxStatus-3 || !utf8.ValidString(s) {
		t.Errorf("%d bytes, want at most %d of valid UTF-8", len(s), maxStatus)
	}
}

func TestOutsideSystemd(t *testing.T) {
	tests := []struct {
		name string
		n    *Notifier
	}{
		{"nil", nil},
		{"no variable", New(env())},
		{"vsock", New(env("NOTIFY_SOCKET", "vsock:2:1234"))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := errors.Join(tt.n.Ready(), tt.n.Reloading(), tt.n.Stopping(), tt.n.Status("x"), tt.n.Watchdog())
			if err != nil || tt.n.Enabled() || tt.n.WatchdogInterval() != 0 {
				t.Errorf("error %v, enabled %v, watchdog %v", err, tt.n.Enabled(), tt.n.WatchdogInterval())
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	n := New(env("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none")))
	if err := n.Ready(); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "sdnotify: ") {
		t.Errorf("Ready: %v, want %v", err, os.ErrNotExist)
	}
}

// TestBusyManager fills the queue of a service manager that does not read.
func TestBusyManager(t *testing.T) {
	_, n := listen(t)
	for range 100_000 {
		err := n.Ready()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("the queue never got full")
}

func TestWatchdogInterval(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	tests := []struct {
		name, usec, pid string
		want            time.Duration
	}{
		{"none", "", "", 0},
		{"without a pid", "30000000", "", 30 * time.Second},
		{"with our pid", "1500", self, 1500 * time.Microsecond},
		{"with another pid", "30000000", "1", 0},
		{"zero", "0", self, 0},
		{"negative", "-5", self, 0},
		{"not a number", "5s", self, 0},
		{"larger than a time.Duration", "9223372036854775807", self, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := New(env("WATCHDOG_USEC", tt.usec, "WATCHDOG_PID", tt.pid)).WatchdogInterval(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
