// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"testing"
	"time"
)

func TestRoundUp(t *testing.T) {
	tests := []struct {
		name string
		in   time.Duration
		want string
	}{
		{"less than a second", time.Millisecond, "1s"},
		{"whole seconds", 30 * time.Second, "30s"},
		{"minutes", time.Minute + 100*time.Millisecond, "1m01s"},
		{"hours", 2*time.Hour + time.Second, "2h01m"},
		{"whole hours", 3 * time.Hour, "3h00m"},
		{"almost a day", 24*time.Hour - time.Second, "1d00h"},
		{"days", 24*time.Hour + time.Second, "1d01h"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := length(roundUp(tt.in), true); got != tt.want {
				t.Errorf("%v: < %s, want %s", tt.in, got, tt.want)
			}
		})
	}
}
