// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"slices"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/status"
)

// TestHealth: what runs, what hangs, what is down, by the status and its process.
func TestHealth(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	own := proc.Description{Name: "utmpd"}
	tests := []struct {
		name string
		with func(*status.Written)
		life life
		exit int
		want string // in what is down, or in a trouble
	}{
		{"well", nil, life{locked: true, process: own}, exitOK, ""},
		{"well, seen by a user", nil, life{process: own}, exitOK, ""},
		{"well, and /proc hides it", nil, life{}, exitOK, ""},
		{"well, by another name", nil, life{locked: true, process: proc.Description{Name: "sessions"}}, exitOK, ""},
		{"killed", nil, life{unlocked: true, gone: true}, exitDown, "process 77 is gone"},
		{"killed, seen by a user", nil, life{gone: true}, exitDown, "process 77 is gone"},
		{"its pid has another program", nil, life{process: proc.Description{Name: "sshd"}}, exitDown, `another program now, "sshd"`},
		{"its pid has a process without the lock", nil, life{unlocked: true, process: own}, exitDown, "nobody has the lock"},
		{"ended", func(w *status.Written) { w.State = status.Ended }, life{gone: true}, exitDown, "it ended at"},
		{"stopped", nil, life{locked: true, process: proc.Description{Name: "utmpd", Stopped: true}}, exitDown, "is stopped"},
		{"late", func(w *status.Written) { w.ValidUntil = now.Add(-time.Second) }, life{locked: true, process: own}, exitDown, "utmpd hangs"},
		{"just not late", func(w *status.Written) { w.ValidUntil = now }, life{locked: true, process: own}, exitOK, ""},
		{"from the future", func(w *status.Written) { w.At = now.Add(time.Hour) }, life{locked: true, process: own}, exitError, "from the future"},
		{"-n", func(w *status.Written) { w.DryRun = true }, life{locked: true, process: own}, exitError, "-n"},
		{"rights", func(w *status.Written) { w.Missing = "write /run/utmp; learn how processes end (Linux 6.15)" }, life{locked: true, process: own}, exitError, "it may not: write /run/utmp"},
		{"an old kernel", func(w *status.Written) { w.Missing = "learn how processes end (Linux 6.15)" }, life{locked: true, process: own}, exitOK, ""},
		{"utmpx error", func(w *status.Written) { w.UtmpxError = "permission denied" }, life{locked: true, process: own}, exitError, "permission denied"},
		{"hangs", func(w *status.Written) { w.Hangs = "/var/log/wtmp since 12:00" }, life{locked: true, process: own}, exitError, "no answer: /var/log/wtmp"},
		{"owed", func(w *status.Written) { w.LogoutsOwed = 3 }, life{locked: true, process: own}, exitError, "3 logouts wait"},
		{"owed until a process ends", func(w *status.Written) { w.LogoutsOwed, w.Waiting = 3, 3 }, life{locked: true, process: own}, exitOK, ""},
		{"unwatched", func(w *status.Written) { w.Unwatched = 1 }, life{locked: true, process: own}, exitError, "1 session is not watched"},
		{"polling", func(w *status.Written) { w.Unwatched, w.Backend = 1, "polling" }, life{locked: true, process: own}, exitOK, ""},
		{"no notices", func(w *status.Written) { w.NoticeError = "too many open files" }, life{locked: true, process: own}, exitError, "no notice of changes"},
		{"log", func(w *status.Written) { w.LogError = "no such file" }, life{locked: true, process: own}, exitError, "log lines are lost"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &health{now: now, Written: status.Written{At: now, ValidUntil: now.Add(time.Minute), Status: status.Status{State: status.Running, PID: 77, Backend: "pidfd"}}}
			if tt.with != nil {
				tt.with(&h.Written)
			}
			h.judge(tt.life)
			if h.exit() != tt.exit {
				t.Errorf("exit %d, want %d", h.exit(), tt.exit)
			}
			said := []string{h.down}
			for _, tr := range h.troubles {
				said = append(said, tr.What)
				if tr.Do == "" {
					t.Errorf("%q says nothing to do", tr.What)
				}
			}
			if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, tt.want) }) || tt.exit == exitOK && len(said) > 1 {
				t.Errorf("said %q, want %q", said, tt.want)
			}
		})
	}
}
