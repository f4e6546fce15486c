// SPDX-License-Identifier: BSD-2-Clause

package sysfile

import (
	"runtime"
	"slices"
	"testing"
)

func TestNativePaths(t *testing.T) {
	if runtime.GOOS != "linux" {
		file, log := nativePaths(func(string) bool { return true })
		if runtime.GOOS == "illumos" && (file != "/var/adm/utmpx" || log != "/var/adm/wtmpx") {
			t.Errorf("%s, %s", file, log)
		}
		return
	}
	tests := []struct {
		name      string
		there     []string
		file, log string
	}{
		{"nothing", nil, "/var/run/utmp", "/var/log/wtmp"},
		{"without x", []string{"/var/run/utmp", "/var/log/wtmp"}, "/var/run/utmp", "/var/log/wtmp"},
		{"utmpx", []string{"/var/run/utmp", "/var/run/utmpx", "/var/log/wtmp"}, "/var/run/utmpx", "/var/log/wtmp"},
		{"wtmpx", []string{"/var/log/wtmpx"}, "/var/run/utmp", "/var/log/wtmpx"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file, log := nativePaths(func(name string) bool { return slices.Contains(tt.there, name) })
			if file != tt.file || log != tt.log {
				t.Errorf("%s, %s, want %s, %s", file, log, tt.file, tt.log)
			}
		})
	}
}
