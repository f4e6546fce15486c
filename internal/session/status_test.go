// SPDX-License-Identifier: BSD-2-Clause

package session

import (
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

func TestStatus(t *testing.T) {
	for _, tt := range []struct {
		name         string
		status       Status
		want         string
		code, signal int
		exit         utmpx.Exit
	}{
		{"unknown", Status{}, "unknown", 0, 0, utmpx.Exit{}},
		{"unknown with bits", Status{Wait: 9}, "unknown", 0, 0, utmpx.Exit{}},
		{"exit 0", Status{Known: true}, "exit 0", 0, 0, utmpx.Exit{}},
		{"exit 255", Status{Known: true, Wait: 255 << 8}, "exit 255", 255, 0, utmpx.Exit{Exit: 255}},
		{"killed", Status{Known: true, Wait: 9}, "signal KILL", 0, 9, utmpx.Exit{Termination: 9}},
		{"core dumped", Status{Known: true, Wait: 0x80 | 11}, "signal SEGV", 0, 11, utmpx.Exit{Termination: 11}},
		{"real-time signal", Status{Known: true, Wait: 42}, "signal 42", 0, 42, utmpx.Exit{Termination: 42}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.status.String(); got != tt.want {
				t.Errorf("String() = %q, want %q", got, tt.want)
			}
			if got := tt.status.Code(); got != tt.code {
				t.Errorf("Code() = %d, want %d", got, tt.code)
			}
			if got := tt.status.Signal(); got != tt.signal {
				t.Errorf("Signal() = %d, want %d", got, tt.signal)
			}
			if got := tt.status.Exit(); got != tt.exit {
				t.Errorf("Exit() = %v, want %v", got, tt.exit)
			}
		})
	}
}

// The names are those that golang.org/x/sys/unix has for the same numbers.
func TestSignalNames(t *testing.T) {
	for n := syscall.Signal(1); n < 128; n++ {
		name, want := signalNames[n], strings.TrimPrefix(unix.SignalName(n), "SIG")
		if name != "" && name != want {
			t.Errorf("signal %d is %q, want %q", n, name, want)
		}
		if name == "" && want != "" && want != "STKFLT" { // Linux's own, which nothing sends
			t.Errorf("signal %d is not named, want %q", n, want)
		}
	}
}
