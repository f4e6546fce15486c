// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"testing"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/initsystem"
	"utmpd.dev/utmpd/utmpx"
)

// TestRunLevel has a systemd that records none: the run level is recorded with the boot,
// once, as systemd would.
func TestRunLevel(t *testing.T) {
	const boot, level = "08:00:00 BOOT_TIME reboot", "08:00:20 RUN_LVL runlevel"
	systems := initsystem.Writes{Who: "systemd-update-utmp", BootLog: true, BootFile: true, Shutdown: true}
	tests := []struct {
		name, key string
		level     byte
		system    initsystem.Writes
		want      []string // in both files
		unlogged  bool
	}{
		{"before the system's boot in the log", "yes", '5', initsystem.Writes{BootLog: true}, []string{boot, level}, true},
		{"auto", "auto", '5', initsystem.Writes{}, []string{boot, level}, false},
		{"yes", "yes", '5', initsystem.Writes{RunLevel: true}, []string{boot, level}, false},
		{"no", "no", '5', initsystem.Writes{}, []string{boot}, false},
		{"unknown", "auto", 0, initsystem.Writes{}, []string{boot}, false},
		{"the system's", "auto", '5', initsystem.Writes{RunLevel: true}, []string{boot}, false},
		{"before the system's boot", "yes", '5', systems, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, "RUNLEVEL_RECORDS="+tt.key)
			l.starts("one", "08:00")
			l.level, l.system = tt.level, tt.system
			tenTimes(true, func() { l.do("boot") })
			l.until("08:30")
			l.do("boot")
			log := tt.want
			if tt.unlogged {
				log = nil
			}
			l.holds("wtmp", log...)
			if tt.want == nil {
				return
			}
			l.holds("utmp", tt.want...)
			if len(tt.want) == 1 {
				return
			}
			size := utmpx.Native().Size()
			r := utmpx.Native().Decode(string(l.read("utmp")[size:]))
			if want := boots.RunLevelRecord(at("08:00:20"), '5', "6.1.0"); r.PID != '5' || r.String() != want.String() {
				t.Errorf("utmp has %v, want %v", r, want)
			}
			if log := l.read("wtmp"); !tt.unlogged && string(log[size:]) != r.Raw() {
				t.Errorf("wtmp has another record than %v", r)
			}
		})
	}
}

// TestRunLevelAlone has a system that records the boot, after utmpctl boot has run, and no
// level: that is in utmp, once, and not in the log, where it would be of the last boot.
func TestRunLevelAlone(t *testing.T) {
	for _, durable := range []bool{false, true} {
		l := newLab(t)
		l.durable = durable
		l.system = initsystem.Writes{Who: "systemd-update-utmp", BootLog: true, BootFile: true, Shutdown: true}
		l.level = '3'
		boot := func(when string) { l.logs(system(utmpx.BootTime, "reboot", when)) }
		l.starts("one", "08:00")
		l.do("boot")
		l.holds("utmp", "missing")
		l.write("utmp", encode(t, system(utmpx.BootTime, "reboot", "08:00")))
		boot("08:00")
		l.until("08:30")
		tenTimes(true, func() { l.do("boot") })
		l.holds("utmp", "08:00:00 BOOT_TIME reboot", "08:30:00 RUN_LVL runlevel")
		l.logs(system(utmpx.RunLevel, "shutdown", "09:00"))

		l.starts("two", "10:00")
		if !durable {
			l.write("utmp", nil)
		}
		tenTimes(true, func() { l.do("boot") })
		want := []string{"10:00:20 RUN_LVL runlevel"}
		if durable {
			want = append([]string{"08:00:00 BOOT_TIME reboot"}, want...)
		}
		l.holds("utmp", want...)
		boot("10:00")
		l.until("10:10")
		l.do("boot")
		l.holds("utmp", want...)
		l.holds("wtmp", "08:00:00 BOOT_TIME reboot", "09:00:00 RUN_LVL shutdown", "10:00:00 BOOT_TIME reboot")
	}
}

// TestRunLevelLater has a utmp file with the boot alone, as a kill between the two leaves it.
func TestRunLevelLater(t *testing.T) {
	l := newLab(t)
	l.starts("one", "08:00")
	l.do("boot")
	l.level = '3'
	l.until("08:10")
	l.do("boot")
	l.do("boot")
	l.holds("wtmp", "08:00:00 BOOT_TIME reboot")
	l.holds("utmp", "08:00:00 BOOT_TIME reboot", "08:10:00 RUN_LVL runlevel")
}
