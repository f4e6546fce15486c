// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

func TestKindOf(t *testing.T) {
	tests := []struct {
		name string
		r    utmpx.Record
		want Kind
	}{
		{"systemd, boot", boot("12:00"), Began},
		{"systemd, shutdown", shutdown("12:00"), Ended},
		{"sysvinit, to level 2", level('N', '2', "12:00"), Other},
		{"sysvinit, halt", level('2', '0', "12:00"), Ended},
		{"sysvinit, reboot", level('2', '6', "12:00"), Ended},
		{"busybox, halt", rec(utmpx.RunLevel, 0, "~~", "~~", "shutdown", "6.1", "12:00"), Ended},
		{"OpenRC, at the end of the start", rec(utmpx.RunLevel, 0, "~~", "~~", "reboot", "6.1", "12:00"), BeganEarlier},
		{"OpenRC, shutdown", rec(utmpx.RunLevel, 0, "~~", "~~", "shutdown", "6.1", "12:00"), Ended},
		{"s6-linux-init, poweroff", rec(utmpx.RunLevel, 260, "~", "", "shutdown", "desk", "12:00"), Ended},
		{"s6-linux-init, reboot", rec(utmpx.RunLevel, 260, "~", "", "reboot", "desk", "12:00"), Ended},
		{"illumos, boot", rec(utmpx.BootTime, 0, "system boot", "", "", "", "12:00"), Began},
		{"illumos, down", rec(utmpx.DownTime, 0, "system down", "", "", "", "12:00"), Ended},
		{"boot without a type", rec(0, 0, "~", "", "reboot", "", "12:00"), Began},
		{"a login", login("pts/0", "12:00"), Login},
		{"a login without a user", rec(utmpx.UserProcess, 1, "pts/0", "", "", "", "12:00"), Other},
		{"a logout", logout("pts/0", "12:00"), Other},
		{"a user named shutdown", rec(utmpx.UserProcess, 1, "pts/0", "", "shutdown", "", "12:00"), Login},
		{"the clock was set", clock(utmpx.NewTime, "12:00"), NewClock},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := KindOf(tt.r); got != tt.want {
				t.Errorf("kind %d, want %d", got, tt.want)
			}
			line := byte(0)
			if tt.r.Line != "" {
				line = tt.r.Line[0]
			}
			if Ordinary(tt.r.Type, line) && tt.want != Other && tt.want != Login {
				t.Error("Ordinary() = true")
			}
		})
	}
}

func TestCrashRecord(t *testing.T) {
	tests := []struct {
		name string
		e    Exactness
		by   Source
		host string
		want Exactness // as read back
	}{
		{"a minute", Exactness{true, time.Minute}, FromHeartbeat, "crash+60s,heartbeat", Exactness{true, time.Minute}},
		{"a week", Exactness{true, 7 * 24 * time.Hour}, FromHeartbeat, "crash+604800s,heartbeat", Exactness{true, 7 * 24 * time.Hour}},
		{"rounded up", Exactness{true, 1500 * time.Millisecond}, FromHeartbeat, "crash+2s,heartbeat", Exactness{true, 2 * time.Second}},
		{"unknown", Exactness{}, FromAccess, "crash+?,access-time", Exactness{}},
		{"unknown, last record", Exactness{}, FromRecords, "crash+?,last-record", Exactness{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := CrashRecord(at("12:00"), tt.e, tt.by)
			want := utmpx.Record{Type: utmpx.RunLevel, Line: "~", ID: "~~", User: "shutdown", Host: tt.host, Time: utmpx.TimeOf(at("12:00"))}
			if diff := cmp.Diff(want, r, cmp.Comparer(func(a, b utmpx.Record) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for _, l := range utmpx.Layouts() {
				b, err := l.Encode(r)
				if err != nil {
					t.Fatal(err)
				}
				e, by, ok := ParseCrash(l.Decode(string(b)))
				if !ok || e != tt.want || by != tt.by {
					t.Errorf("%s: ParseCrash = %v, %q, %v, want %v, %q", l, e, by, ok, tt.want, tt.by)
				}
			}
		})
	}
}

// TestParseCrashOfOthers checks hosts that CrashRecord does not write.
func TestParseCrashOfOthers(t *testing.T) {
	for host, want := range map[string]bool{"6.1.0": false, "crash": false, "": false, "crash+": true, "crash+-1s": true, "crash+99999999999s,x\x1b": true, "crash+60": true} {
		r := shutdown("12:00")
		r.Host = host
		e, by, ok := ParseCrash(r)
		if ok != want || e != (Exactness{}) || by != "" {
			t.Errorf("%q: ParseCrash = %v, %q, %v, want nothing known and %v", host, e, by, ok, want)
		}
	}
	r := login("pts/0", "12:00")
	r.Host = "crash+60s,heartbeat"
	if _, _, ok := ParseCrash(r); ok {
		t.Error("ParseCrash accepted the host of a login")
	}
}
