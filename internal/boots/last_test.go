// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// TestEndsLogins checks, for every form of such a record that a system writes or
// that looks like one, whether it ends the logins before it, and that last(1) of
// util-linux says the same: a login that it ends was not ended by the logout that
// comes after.
func TestEndsLogins(t *testing.T) {
	tests := []struct {
		name string
		r    utmpx.Record
		ends bool
		last string // "": the same; else why not
	}{
		{"systemd, boot", boot("12:00"), true, ""},
		{"systemd, shutdown", shutdown("12:00"), true, ""},
		{"a boot without a user", rec(utmpx.BootTime, 0, "~", "~~", "", "", "12:00"), true, ""},
		{"a boot on another line", rec(utmpx.BootTime, 0, "pts/1", "", "bob", "", "12:00"), true, "looks for a line that begins with ~, as Linux has it"},
		{"sysvinit, to level 2", level('N', '2', "12:00"), false, ""},
		{"sysvinit, to level 1", level('2', '1', "12:00"), false, ""},
		{"sysvinit, to level S", level('2', 'S', "12:00"), false, ""},
		{"sysvinit, halt", level('2', '0', "12:00"), true, ""},
		{"sysvinit, reboot", level('2', '6', "12:00"), true, ""},
		{"level 6 without a user", rec(utmpx.RunLevel, '6', "~", "~~", "", "", "12:00"), true, ""},
		{"level 6 on another line", rec(utmpx.RunLevel, '6', "run-level 6", "", "", "", "12:00"), true, "looks for a line that begins with ~, as Linux has it"},
		{"busybox, halt", rec(utmpx.RunLevel, 0, "~~", "~~", "shutdown", "6.1", "12:00"), true, ""},
		{"OpenRC, at the end of the start", rec(utmpx.RunLevel, 0, "~~", "~~", "reboot", "6.1", "12:00"), true, ""},
		{"OpenRC, shutdown", rec(utmpx.RunLevel, 0, "~~", "~~", "shutdown", "6.1", "12:00"), true, ""},
		{"s6-linux-init, poweroff", rec(utmpx.RunLevel, 260, "~", "", "shutdown", "desk", "12:00"), true, ""},
		{"s6-linux-init, reboot", rec(utmpx.RunLevel, 260, "~", "", "reboot", "desk", "12:00"), true, ""},
		{"shutdown on no line", rec(utmpx.RunLevel, 0, "", "~~", "shutdown", "", "12:00"), false, ""},
		{"reboot on no line", rec(utmpx.RunLevel, 0, "", "~~", "reboot", "", "12:00"), false, ""},
		{"illumos, boot", rec(utmpx.BootTime, 0, "system boot", "", "", "", "12:00"), true, "looks for a line that begins with ~, as Linux has it"},
		{"illumos, down", rec(utmpx.DownTime, 0, "system down", "", "", "", "12:00"), true, "knows no DOWN_TIME"},
		{"old software, boot without a type", rec(0, 0, "~", "", "reboot", "", "12:00"), true, ""},
		{"old software, shutdown without a type", rec(0, 0, "~", "", "shutdown", "", "12:00"), true, ""},
		{"a user named shutdown", rec(utmpx.UserProcess, 1, "pts/1", "", "shutdown", "", "12:00"), false, ""},
		{"a user named reboot", rec(utmpx.UserProcess, 1, "pts/1", "", "reboot", "", "12:00"), false, ""},
		{"a user named shutdown on the system's line", rec(utmpx.UserProcess, 1, "~", "~~", "shutdown", "", "12:00"), true, ""},
		{"a logout on the system's line", rec(utmpx.DeadProcess, 0, "~", "~~", "shutdown", "", "12:00"), true, ""},
		{"the clock, before", clock(utmpx.OldTime, "12:00"), false, ""},
		{"the clock, after", clock(utmpx.NewTime, "12:00"), false, ""},
		{"accounting", rec(utmpx.Accounting, 0, "~", "~~", "", "", "12:00"), false, ""},
		{"another login", login("pts/1", "12:00"), false, ""},
		{"another logout", logout("pts/1", "12:00"), false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := KindOf(tt.r).EndsLogins(); got != tt.ends {
				t.Errorf("ends logins: %v, want %v", got, tt.ends)
			}
			if got := lastEnds(t, tt.r); got != tt.ends && tt.last == "" {
				t.Errorf("last(1) ends logins: %v, want %v", got, tt.ends)
			}
		})
	}
}

// lastEnds returns whether last(1) ends a login at that record, and not at the
// logout one hour later.
func lastEnds(t *testing.T, r utmpx.Record) bool {
	t.Helper()
	if v, err := exec.Command("last", "--version").Output(); err != nil || !strings.Contains(string(v), "util-linux") {
		t.Skipf("there is no last of util-linux here: %v", err)
	}
	var log []byte
	for _, r := range []utmpx.Record{login("pts/0", "11:00"), r, logout("pts/0", "13:00")} {
		b, err := utmpx.Native().Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, b...)
	}
	name := filepath.Join(t.TempDir(), "wtmp")
	if err := os.WriteFile(name, log, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("last", "-f", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "pts/0") {
			return !strings.Contains(line, "(02:00)")
		}
	}
	t.Fatalf("last shows no login:\n%s", out)
	return false
}
