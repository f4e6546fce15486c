// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/initsystem"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

var systemd = initsystem.Writes{Who: "systemd-update-utmp", BootLog: true, BootFile: true, Shutdown: true}

// TestLives runs machines through boots, crashes and shutdowns.
func TestLives(t *testing.T) {
	tests := []struct {
		name string
		live func(l *lab)
		wtmp []string
	}{
		{"the first boot ever", func(l *lab) {
			l.starts("a", "08:00")
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot"}},
		{"shut down and started", func(l *lab) {
			l.starts("a", "08:00")
			l.do("boot")
			l.beats("10:00", heartbeat.Running)
			l.beats("10:00:30", heartbeat.Stopped)
			l.until("10:00:40")
			l.do("shutdown")
			l.starts("b", "10:02")
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "10:00:40 RUN_LVL shutdown", "10:02:00 BOOT_TIME reboot"}},
		{"power cut", func(l *lab) {
			l.starts("a", "08:00")
			l.do("boot")
			l.logs(login("pts/0", 900, "09:00"))
			l.beats("10:00", heartbeat.Running)
			l.starts("b", "10:02")
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "09:00:00 USER alice pts/0", "10:00:00 RUN_LVL shutdown crash+60s,heartbeat", "10:02:00 BOOT_TIME reboot"}},
		{"power cut before the first beat", func(l *lab) {
			l.starts("a", "08:00")
			l.do("boot")
			l.beats("10:00", heartbeat.Running)
			l.until("10:00:40")
			l.do("shutdown")
			l.starts("b", "10:02")
			l.do("boot")
			l.accessed("10:03")
			l.starts("c", "10:05")
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "10:00:40 RUN_LVL shutdown", "10:02:00 BOOT_TIME reboot",
			"10:03:00 RUN_LVL shutdown crash+?,access-time", "10:05:00 BOOT_TIME reboot"}},
		{"the shutdown's record was lost", func(l *lab) {
			l.starts("a", "08:00")
			l.do("boot")
			wtmp := l.read("wtmp")
			l.until("10:00")
			l.do("shutdown")
			l.write("wtmp", wtmp)
			l.starts("b", "10:02")
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "10:00:00 RUN_LVL shutdown shutdown,heartbeat", "10:02:00 BOOT_TIME reboot"}},
		{"a shutdown that was none, then a power cut", func(l *lab) {
			l.starts("a", "08:00")
			l.do("boot")
			l.until("09:00")
			l.do("shutdown")
			l.beats("10:00", heartbeat.Running)
			l.starts("b", "10:02")
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "09:00:00 RUN_LVL shutdown", "10:00:00 RUN_LVL shutdown crash+60s,heartbeat", "10:02:00 BOOT_TIME reboot"}},
		{"started again under the same kernel, then a power cut", func(l *lab) {
			l.starts("a", "08:00")
			l.do("boot")
			l.until("10:00")
			l.do("shutdown")
			l.until("10:00:30")
			l.do("boot")
			l.until("10:10")
			l.do("boot")
			l.beats("11:00", heartbeat.Running)
			l.starts("b", "11:02")
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "10:00:00 RUN_LVL shutdown", "10:00:30 BOOT_TIME reboot",
			"11:00:00 RUN_LVL shutdown crash+60s,heartbeat", "11:02:00 BOOT_TIME reboot"}},
		{"a container is killed, and started again under the same kernel", func(l *lab) {
			l.container("a", "08:00", 100*time.Hour)
			l.do("boot")
			l.beats("10:00", heartbeat.Running)
			l.container("a", "10:02", 102*time.Hour+2*time.Minute)
			l.do("boot")
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "10:00:00 RUN_LVL shutdown crash+60s,heartbeat", "10:02:00 BOOT_TIME reboot"}},
		{"the same, and the start of the kernel is known to some milliseconds", func(l *lab) {
			l.container("a", "08:00", 100*time.Hour)
			l.do("boot")
			l.beats("10:00", heartbeat.Running)
			l.container("a", "10:02", 102*time.Hour+2*time.Minute+4*time.Millisecond)
			l.do("boot")
			l.do("boot")
			l.until("10:05")
			l.do("shutdown")
			l.write("wtmp", nil)
			l.container("a", "10:10", 102*time.Hour+10*time.Minute)
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot ", "10:00:00 RUN_LVL shutdown crash+60s,heartbeat", "10:02:00 BOOT_TIME reboot ",
			"10:05:00 RUN_LVL shutdown shutdown,heartbeat", "10:10:00 BOOT_TIME reboot"}},
		{"a container is stopped, then killed before utmpd starts", func(l *lab) {
			l.container("a", "08:00", 100*time.Hour)
			l.do("boot")
			l.beats("10:00", heartbeat.Shutdown)
			l.container("a", "10:02", 102*time.Hour+2*time.Minute)
			l.do("boot")
			l.container("a", "10:04", 102*time.Hour+4*time.Minute)
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "10:00:00 RUN_LVL shutdown shutdown,heartbeat", "10:02:00 BOOT_TIME reboot",
			"10:02:00 RUN_LVL shutdown crash+?,last-record", "10:04:00 BOOT_TIME reboot"}},
		{"a container is stopped, and started again under the same kernel", func(l *lab) {
			l.container("a", "08:00", 100*time.Hour)
			l.do("boot")
			l.beats("10:00", heartbeat.Stopped)
			l.until("10:00:01")
			l.do("shutdown")
			l.container("a", "10:02", 102*time.Hour+2*time.Minute)
			l.do("boot")
			l.do("boot")
			l.beats("11:00", heartbeat.Running)
			l.container("a", "11:02", 103*time.Hour+2*time.Minute)
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "10:00:01 RUN_LVL shutdown", "10:02:00 BOOT_TIME reboot",
			"11:00:00 RUN_LVL shutdown crash+60s,heartbeat", "11:02:00 BOOT_TIME reboot"}},
		{"notes of an earlier version in a container", func(l *lab) {
			l.container("a", "08:00", 100*time.Hour)
			l.logs(system(utmpx.BootTime, "reboot", "08:00"))
			l.old("boot", "08:00", 0)
			l.old("heartbeat", "10:00", time.Minute)
			l.container("a", "10:02", 102*time.Hour+2*time.Minute)
			l.do("boot")
			l.old("boot", "10:02", 0)
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "10:00:00 RUN_LVL shutdown crash+60s,heartbeat", "10:02:00 BOOT_TIME reboot"}},
		{"notes of an earlier version on a machine", func(l *lab) {
			l.starts("a", "08:00")
			l.old("boot", "02:00", 0) // the clock was set since
			l.old("heartbeat", "03:00", time.Minute)
			l.logs(system(utmpx.BootTime, "reboot", "02:00"), login("pts/0", 900, "02:10"))
			l.write("utmp", encode(l.t, system(utmpx.BootTime, "reboot", "02:00")))
			l.do("boot")
		}, []string{"02:00:00 BOOT_TIME reboot", "02:10:00 USER alice pts/0"}},
		{"the kernel has one id at two boots", func(l *lab) {
			l.starts("a", "08:00")
			l.do("boot")
			l.beats("10:00", heartbeat.Running)
			l.starts("a", "10:02")
			l.do("boot")
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "10:00:00 RUN_LVL shutdown crash+60s,heartbeat", "10:02:00 BOOT_TIME reboot"}},
		{"the log is in memory", func(l *lab) {
			for _, boot := range []string{"08", "10", "12"} {
				l.write("wtmp", nil)
				l.starts(boot, boot+":00")
				l.do("boot")
				l.do("boot")
				l.beats(boot+":30", heartbeat.Running)
			}
			l.write("wtmp", nil)
			l.starts("d", "14:00")
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot ", "08:30:00 RUN_LVL shutdown crash+60s,heartbeat",
			"10:00:00 BOOT_TIME reboot ", "10:30:00 RUN_LVL shutdown crash+60s,heartbeat",
			"12:00:00 BOOT_TIME reboot ", "12:30:00 RUN_LVL shutdown crash+60s,heartbeat", "14:00:00 BOOT_TIME reboot"}},
		{"the log comes back older than the last two boots", func(l *lab) {
			l.starts("a", "08:00")
			l.do("boot")
			l.until("09:00")
			old := l.read("wtmp")
			l.do("shutdown")
			l.starts("b", "10:00")
			l.do("boot")
			l.until("11:00")
			l.do("shutdown")
			l.starts("c", "12:00")
			l.do("boot")
			l.beats("13:00", heartbeat.Running)
			l.write("wtmp", old)
			l.starts("d", "14:00")
			l.do("boot")
			l.check(os.Remove(l.path("state/boot"))) // as if killed before the stamp
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "09:00:00 RUN_LVL shutdown shutdown,ledger", "10:00:00 BOOT_TIME reboot ", "11:00:00 RUN_LVL shutdown shutdown,ledger",
			"12:00:00 BOOT_TIME reboot ", "13:00:00 RUN_LVL shutdown crash+60s,heartbeat", "14:00:00 BOOT_TIME reboot"}},
		{"systemd writes the rest", func(l *lab) {
			l.system = systemd
			l.starts("a", "08:00")
			l.do("boot")
			l.logs(system(utmpx.BootTime, "reboot", "08:00:03"))
			l.beats("10:00", heartbeat.Running)
			l.starts("b", "10:02")
			l.do("boot")
			l.do("boot")
			l.logs(system(utmpx.BootTime, "reboot", "10:02:03"))
			l.do("boot")
			l.beats("11:00", heartbeat.Stopped)
			l.until("11:00:05")
			l.do("shutdown")
			l.logs(system(utmpx.RunLevel, "shutdown", "11:00:06"))
			l.starts("c", "11:02")
			l.do("boot")
		}, []string{"08:00:03 BOOT_TIME reboot", "10:00:00 RUN_LVL shutdown crash+60s,heartbeat", "10:02:03 BOOT_TIME reboot", "11:00:06 RUN_LVL shutdown"}},
		{"no clock, ever", func(l *lab) {
			for _, boot := range []string{"a", "b", "c"} {
				l.starts(boot, "1970-01-01 00:00:02")
				l.do("boot")
				l.do("boot")
			}
		}, []string{"1970-01-01 00:00:02 BOOT_TIME reboot",
			"1970-01-01 00:00:02 RUN_LVL shutdown crash+?,last-record", "1970-01-01 00:00:02 BOOT_TIME reboot",
			"1970-01-01 00:00:02 RUN_LVL shutdown crash+?,last-record", "1970-01-01 00:00:02 BOOT_TIME reboot"}},
		{"no clock at boot, set later", func(l *lab) {
			l.starts("a", "1970-01-01 00:00:02")
			l.do("boot")
			l.until("09:00")
			l.booted = at("08:59")
			l.do("boot")
			l.logs(login("pts/0", 900, "09:10"))
			l.starts("b", "1970-01-01 00:00:02")
			l.do("boot")
		}, []string{"1970-01-01 00:00:02 BOOT_TIME reboot", "09:10:00 USER alice pts/0",
			"09:10:00 RUN_LVL shutdown crash+?,last-record", "1970-01-01 00:00:02 BOOT_TIME reboot"}},
		{"the clock is set back in the boot, and boot is run again", func(l *lab) {
			l.starts("a", "12:00")
			l.do("boot")
			l.booted, l.clock = at("02:00"), at("03:00")
			l.do("boot")
		}, []string{"12:00:00 BOOT_TIME reboot"}},
		{"the same without a STATE_DIR", func(l *lab) {
			l.check(os.Remove(l.path("state")))
			l.starts("a", "12:00")
			l.do("boot")
			l.booted, l.clock = at("02:00"), at("03:00")
			l.do("boot")
		}, []string{"12:00:00 BOOT_TIME reboot"}},
		{"no wtmp", func(l *lab) {
			l.check(os.Remove(l.path("wtmp")))
			l.starts("a", "12:00")
			l.do("boot")
			l.do("shutdown")
		}, []string{"missing"}},
		{"a torn tail", func(l *lab) {
			l.starts("a", "08:00")
			l.do("boot")
			l.write("wtmp", append(l.read("wtmp"), 7, 0, 0))
			l.starts("b", "10:02")
			l.do("boot")
		}, []string{"08:00:00 BOOT_TIME reboot", "08:00:00 RUN_LVL shutdown crash+?,last-record", "10:02:00 BOOT_TIME reboot"}},
		{"an old utmp that outlived the boot", func(l *lab) {
			l.durable = true
			l.starts("a", "08:00")
			l.do("boot")
			l.do("shutdown")
			l.starts("b", "10:02")
			l.do("boot")
			l.do("boot")
			l.holds("utmp", "10:02:00 BOOT_TIME reboot")
		}, []string{"08:00:00 BOOT_TIME reboot", "08:00:20 RUN_LVL shutdown", "10:02:00 BOOT_TIME reboot"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			tt.live(l)
			l.holds("wtmp", tt.wtmp...)
			if l.system == (initsystem.Writes{}) && len(tt.wtmp) == 1 {
				l.holds("utmp", l.utmpWants())
			}
		})
	}
}

// utmpWants is this boot in utmp, as it was recorded first.
func (l *lab) utmpWants() string {
	if strings.Contains(l.t.Name(), "no_wtmp") || !strings.Contains(l.t.Name(), "set_back") && !strings.Contains(l.t.Name(), "same") {
		return strings.TrimPrefix(l.booted.Format("2006-01-02 15:04:05"), day) + " BOOT_TIME reboot"
	}
	return "12:00:00 BOOT_TIME reboot"
}

// crashedLab is a machine in its second boot, the first of which crashed.
func crashedLab(t *testing.T, more ...string) *lab {
	l := newLab(t, more...)
	l.starts("a", "08:00")
	l.do("boot")
	l.logs(login("pts/0", 900, "09:00"))
	l.beats("10:00", heartbeat.Running)
	l.starts("b", "10:02")
	return l
}

var crashedWants = []string{"08:00:00 BOOT_TIME reboot", "09:00:00 USER alice pts/0", "10:00:00 RUN_LVL shutdown crash+60s,heartbeat", "10:02:00 BOOT_TIME reboot"}

// TestBootIsIdempotent: ten runs in one boot leave what one leaves, with and
// without a STATE_DIR to remember, one after the other and all at once.
func TestBootIsIdempotent(t *testing.T) {
	for _, state := range []bool{true, false} {
		for _, together := range []bool{true, false} {
			l := crashedLab(t)
			done := l.path("state")
			note := l.read("state/heartbeat")
			if !state {
				// The note is there to be read, and nothing can be noted.
				l.check(os.RemoveAll(done))
				l.check(os.Mkdir(done, 0o755))
				l.write("state/heartbeat", note)
				l.check(os.Mkdir(l.path("state/boot"), 0o755))
				l.write("state/boot/x", nil)
			}
			tenTimes(together, func() {
				if status, out, errs := l.try("boot"); (status == 0) != state {
					t.Errorf("status %d: %s%s", status, out, errs)
				}
			})
			l.holds("wtmp", crashedWants...)
			l.holds("utmp", "10:02:00 BOOT_TIME reboot")
		}
	}
}

// tenTimes calls f ten times, one after the other or all together.
func tenTimes(together bool, f func()) {
	var runs sync.WaitGroup
	for range 10 {
		runs.Go(f)
		if !together {
			runs.Wait()
		}
	}
	runs.Wait()
}

// TestChangedMeanwhile: what another appends between our reading and our lock is
// read, and judged again.
func TestChangedMeanwhile(t *testing.T) {
	l := newLab(t)
	l.logs(login("pts/0", 900, "08:30"))
	r := &recorder{
		in:    call{ctx: t.Context(), on: l.machine()},
		wtmpx: recfile.NewLog(l.path("wtmp"), recfile.Options{}),
	}
	ours, others := system(utmpx.RunLevel, "shutdown", "10:00"), system(utmpx.BootTime, "reboot", "09:00")
	asked := 0
	wrote, err := r.appendUnlessChanged(func(past) []utmpx.Record {
		if asked++; asked == 1 {
			l.logs(others)
		}
		return []utmpx.Record{ours}
	})
	if asked != 2 || len(wrote) != 1 || err != nil {
		t.Errorf("asked %d times; wrote %v, %v", asked, wrote, err)
	}
	l.holds("wtmp", "08:30:00 USER alice pts/0", "09:00:00 BOOT_TIME reboot", "10:00:00 RUN_LVL shutdown")
}

func TestShutdownIsIdempotent(t *testing.T) {
	for _, together := range []bool{true, false} {
		l := newLab(t)
		l.starts("a", "08:00")
		l.do("boot")
		l.until("10:00")
		tenTimes(together, func() {
			if status, out, errs := l.try("shutdown"); status != 0 {
				t.Errorf("status %d: %s%s", status, out, errs)
			}
		})
		l.holds("wtmp", "08:00:00 BOOT_TIME reboot", "10:00:00 RUN_LVL shutdown")
	}
}

// TestDryRun: -n prints what would be written, and writes nothing anywhere.
func TestDryRun(t *testing.T) {
	l := crashedLab(t)
	wtmp, state := l.read("wtmp"), l.read("state/boot")
	out := l.do("boot", "-n")
	for _, want := range []string{"the last boot crashed: ", "or up to 60 seconds later, according to the heartbeat's note", "crash+60s,heartbeat", "would write " + l.path("wtmp"), "would write " + l.path("utmp")} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if got := l.do("shutdown", "-n"); !strings.Contains(got, "would write") {
		t.Errorf("shutdown -n: %s", got)
	}
	if !bytes.Equal(wtmp, l.read("wtmp")) || !bytes.Equal(state, l.read("state/boot")) {
		t.Error("something was written")
	}
	l.holds("utmp", "missing")
	if n, err := heartbeat.ReadNote(l.path("state/heartbeat")); err != nil || n.State != heartbeat.Running {
		t.Errorf("the note: %v, %v", n, err)
	}
}

// TestAccessTimeStays: a run that wrote nothing leaves the next one what it had
// to go by.
func TestAccessTimeStays(t *testing.T) {
	l := newLab(t)
	l.starts("a", "08:00")
	l.do("boot")
	l.accessed("09:30")
	l.starts("b", "10:02")
	for range 2 {
		if out := l.do("boot", "-n"); !strings.Contains(out, "crash+?,access-time") {
			t.Error(out)
		}
	}
	l.do("boot")
	l.holds("wtmp", "08:00:00 BOOT_TIME reboot", "09:30:00 RUN_LVL shutdown crash+?,access-time", "10:02:00 BOOT_TIME reboot")
}

// TestRotated: the last boot is found in a file rotated away, compressed or not.
func TestRotated(t *testing.T) {
	compress := map[string]func([]byte) []byte{
		"wtmp.1":        func(b []byte) []byte { return b },
		"wtmp-20260701": func(b []byte) []byte { return b },
		"wtmp.2.gz": func(b []byte) []byte {
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			w.Write(b)
			w.Close()
			return out.Bytes()
		},
		"wtmp.2.xz": func(b []byte) []byte {
			var out bytes.Buffer
			w, err := xz.NewWriter(&out)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(b)
			w.Close()
			return out.Bytes()
		},
		"wtmp.2.zst": func(b []byte) []byte {
			w, err := zstd.NewWriter(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			return w.EncodeAll(b, nil)
		},
	}
	for name, f := range compress {
		t.Run(name, func(t *testing.T) {
			l := crashedLab(t)
			l.write(name, f(l.read("wtmp")))
			past := at("09:30")
			l.check(os.Chtimes(l.path(name), past, past))
			l.write("wtmp", encode(t, login("pts/1", 901, "09:40")))
			l.do("boot")
			l.holds("wtmp", append([]string{"09:40:00 USER alice pts/1"}, crashedWants[2:]...)...)
		})
	}
}

// TestRotatedAndBroken: what cannot be read is reported, and no end is invented.
func TestRotatedAndBroken(t *testing.T) {
	l := crashedLab(t)
	l.write("wtmp.1.gz", []byte("\x1f\x8bno"))
	l.write("wtmp", nil)
	if out := l.do("boot"); !strings.Contains(out, "wtmp.1.gz") {
		t.Errorf("nothing is said of the file: %s", out)
	}
	l.holds("wtmp", "10:02:00 BOOT_TIME reboot")
}

// TestTooLate: nothing is written after the record of this boot.
func TestTooLate(t *testing.T) {
	l := crashedLab(t)
	l.logs(system(utmpx.BootTime, "reboot", "10:02:03"))
	if out := l.do("boot"); !strings.Contains(out, "already has the record of this boot") {
		t.Errorf("nothing is said of it: %s", out)
	}
	l.holds("wtmp", "08:00:00 BOOT_TIME reboot", "09:00:00 USER alice pts/0", "10:02:03 BOOT_TIME reboot")
}

// TestInstalledInBoot: the log's last boot is an older one, and has logins of this boot,
// which nobody recorded.
func TestInstalledInBoot(t *testing.T) {
	l := newLab(t)
	l.starts("b", "12:00")
	l.logs(system(utmpx.BootTime, "reboot", "08:00"), login("pts/0", 900, "09:00"), login("pts/1", 901, "12:10"))
	l.until("12:30")
	for range 2 {
		if out := l.do("downtime"); !strings.Contains(out, "08:00:00  2026-07-01 12:10:00  unknown  > 10m00s") {
			t.Errorf("it is up for longer than the kernel:\n%s", out)
		}
		if out := l.do("boot"); strings.Contains(out, "already has the record of this boot") {
			t.Errorf("no record of this boot is there: %s", out)
		}
	}
	l.holds("wtmp", "08:00:00 BOOT_TIME reboot", "09:00:00 USER alice pts/0", "12:10:00 USER alice pts/1")
}

// TestInstalledBesideUtmpd: the same, and utmpd has started before boot ran for the first
// time. The note is this boot's, and nothing tells of an end.
func TestInstalledBesideUtmpd(t *testing.T) {
	l := newLab(t)
	l.starts("b", "12:00")
	l.logs(system(utmpx.BootTime, "reboot", "08:00"), login("pts/0", 900, "09:00"), login("pts/1", 901, "12:10"))
	l.beats("12:20", heartbeat.Running)
	l.until("12:30")
	if out := l.do("boot"); strings.Contains(out, "crashed") || !strings.Contains(out, "already has logins of this boot") {
		t.Errorf("a crash in this boot: %s", out)
	} else if strings.Contains(out, tooEarly) {
		t.Errorf("there was no note of an earlier boot: %s", out)
	}
	l.holds("wtmp", "08:00:00 BOOT_TIME reboot", "09:00:00 USER alice pts/0", "12:10:00 USER alice pts/1")

	l.starts("c", "13:00")
	l.beats("13:20", heartbeat.Running)
	l.until("13:30")
	if out := l.do("boot"); !strings.Contains(out, tooEarly) {
		t.Errorf("the note of the boot before is gone, and nothing tells why: %s", out)
	}
}

// tooEarly is what boot says when utmpd has started before it.
const tooEarly = "utmpd started before utmpctl boot and has overwritten the note of the last boot; run utmpctl boot before utmpd"

// TestInitWasFirst: the record of this boot is in the log before boot runs. Only the
// ledger can have the end of the last one.
func TestInitWasFirst(t *testing.T) {
	l := crashedLab(t)
	l.logs(system(utmpx.BootTime, "reboot", "10:02:03"))
	for range 2 {
		l.do("boot")
	}
	if out := l.do("downtime"); !strings.Contains(out, "10:00:00  crashed  2h00m  2m00s  +60 s, from the ledger") {
		t.Errorf("the crash is not told:\n%s", out)
	}
	if out := l.do("downtime", "-json"); !strings.Contains(out, `"from_ledger": true`) {
		t.Error(out)
	}
	if out := l.do("last", "-json"); !strings.Contains(out, `"to_least":"2026-07-01T10:00:00Z","to_most":"2026-07-01T10:01:00Z","ended_by":"crash","exact":false,"signal":0,"exit_status":0,"known_from":"heartbeat"`) {
		t.Errorf("the session's end is not told:\n%s", out)
	}
	if n := bytes.Count(l.read("state/boots"), []byte("\n")); n != 1 {
		t.Errorf("the ledger has %d lines:\n%s", n, l.read("state/boots"))
	}
	if out := l.do("events"); !strings.Contains(out, "2026-07-01 10:00:00  crash     up to 1m00s later, as the heartbeat shows\n") {
		t.Errorf("the crash is no event:\n%s", out)
	}
	l.check(os.Chmod(l.path("wtmp"), 0o664))
	if _, out, _ := l.try("check", "-a", l.path("wtmp")); !strings.Contains(out, "note: no record tells that the boot of 2026-07-01 08:00:00Z crashed at 2026-07-01 10:00:00Z, as ") {
		t.Errorf("the crash is no finding:\n%s", out)
	}
}

// TestTakenOut: records of a boot that were taken out of the log are found, and told.
func TestTakenOut(t *testing.T) {
	l := crashedLab(t)
	l.do("boot")
	l.until("11:00")
	l.do("shutdown")
	l.starts("third", "12:00")
	l.do("boot")
	l.check(os.Chmod(l.path("wtmp"), 0o664))
	if _, out, _ := l.try("check", l.path("wtmp")); strings.Contains(out, "boot") {
		t.Errorf("before anything is taken out: %s", out)
	}
	var kept []byte
	native := utmpx.Native()
	for p := range slices.Chunk(l.read("wtmp"), native.Size()) {
		if t := native.Decode(string(p)).Time.Time(); t.Before(at("10:00:30")) || t.After(at("11:30")) {
			kept = append(kept, p...)
		}
	}
	l.write("wtmp", kept)
	status, out, _ := l.try("check", l.path("wtmp"))
	if status != 1 || !strings.Contains(out, "warning: neither it nor a rotated file has the boot from 2026-07-01 10:02:00Z to 2026-07-01 11:00:00Z") {
		t.Errorf("status %d: %s", status, out)
	}
	if out := l.do("events"); !strings.Contains(out, "2026-07-01 10:02:00  boot      as the ledger shows\n2026-07-01 11:00:00  shutdown  as the ledger shows\n2026-07-01 12:00:00  boot ") {
		t.Errorf("the boot is no event:\n%s", out)
	}
}

// TestSuspended: downtime tells suspended time apart, that of the present boot and
// that of earlier ones; in a container without what its host slept before.
func TestSuspended(t *testing.T) {
	for _, contained := range []bool{false, true} {
		l := newLab(t)
		start := l.starts
		if contained {
			start = func(boot, when string) { l.container(boot, when, 100*time.Hour) }
		}
		l.slept = 50 * time.Hour
		if !contained {
			l.slept = 0
		}
		before := l.slept
		start("a", "01:00")
		l.do("boot")
		l.slept = before + 8*time.Hour
		l.beats("10:00", heartbeat.Running)
		if l.slept = before + 8*time.Hour; !contained {
			l.slept = 0
		}
		before = l.slept
		start("b", "10:02")
		l.do("boot")
		l.slept = before + time.Hour
		l.until("13:02")
		out := l.do("downtime")
		for _, want := range []string{"UP     SUSPENDED  DOWN", "crashed  1h00m  8h00m      2m00s", "running  2h00m  1h00m", "up 3h00m, suspended 9h00m, down"} {
			if !strings.Contains(out, want) {
				t.Errorf("contained %v: no %q in:\n%s", contained, want, out)
			}
		}
		if out := l.do("downtime", "-json"); !strings.Contains(out, `"suspended_seconds": 28800`) {
			t.Error(out)
		}
	}
}

// TestStartedAgain: a boot that was started again under the same kernel is told as
// two boots, also by the ledger.
func TestStartedAgain(t *testing.T) {
	l := newLab(t)
	l.starts("a", "08:00")
	l.do("boot")
	l.until("10:00")
	l.do("shutdown")
	l.until("10:00:30")
	l.do("boot")
	l.beats("11:00", heartbeat.Running)
	l.starts("b", "11:02")
	l.do("boot")
	out := l.do("downtime")
	for _, want := range []string{"2026-07-01 10:00:00  shut down  2h00m   30s    yes\n", "2026-07-01 11:00:00  crashed    59m30s  2m00s  +60 s\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "according to") {
		t.Errorf("a difference where there is none:\n%s", out)
	}
}

// TestLedgerDiffers: the reader is told where the log and the ledger differ.
func TestLedgerDiffers(t *testing.T) {
	l := crashedLab(t)
	l.do("boot")
	l.write("wtmp", nil)
	l.logs(system(utmpx.BootTime, "reboot", "08:00"), login("pts/0", 900, "08:30"), login("pts/1", 901, "08:40"), system(utmpx.RunLevel, "shutdown", "09:00"), system(utmpx.BootTime, "reboot", "10:02"))
	l.write("utmp", nil)
	for _, command := range [][]string{{"downtime"}, {"last"}, {"last", "-n", "1"}, {"who", "-at", "2026-07-01 08:50"}} {
		out := l.do(command...)
		if n := strings.Count(out, "08:00:00 +0000 was shut down at 2026-07-01 09:00:00 +0000 according to "+l.path("wtmp")+", but crashed at 2026-07-01 10:00:00 +0000 according to "+l.path("state/boots")); n != 1 {
			t.Errorf("%v tells it %d times:\n%s", command, n, out)
		}
	}
	if out := l.do("who", "-at", "2026-07-01 10:02:10"); strings.Contains(out, "according to") {
		t.Errorf("who -at tells of another boot:\n%s", out)
	}
}

// TestWhoAtLedger: who -at takes from the ledger how long the system was up.
func TestWhoAtLedger(t *testing.T) {
	l := crashedLab(t)
	l.do("boot")
	l.write("wtmp", nil)
	l.logs(system(utmpx.BootTime, "reboot", "08:00"), login("pts/0", 900, "08:30"), system(utmpx.BootTime, "reboot", "10:02"))
	l.write("utmp", nil)
	if out := l.do("who", "-at", "2026-07-01 09:50", "-count"); out != "1\n" {
		t.Errorf("on at 09:50: %s", out)
	}
}

// TestKilledInBetween: a run that was killed after the log, or after the ledger, is
// made good by the next one, and nothing is recorded twice.
func TestKilledInBetween(t *testing.T) {
	tests := []struct {
		name   string
		change func(l *lab)
	}{
		{"a crash", func(l *lab) {}},
		{"a log that was emptied", func(l *lab) { l.write("wtmp", nil) }},
		{"init was first", func(l *lab) { l.logs(system(utmpx.BootTime, "reboot", "10:02:03")) }},
		{"an old log, and the system records the boot", func(l *lab) {
			l.system = systemd
			l.write("wtmp", encode(l.t, system(utmpx.BootTime, "reboot", "02:00"), system(utmpx.RunLevel, "shutdown", "03:00")))
		}},
	}
	files := []string{"wtmp", "utmp", "state/boots", "state/boot"}
	for _, tt := range tests {
		for n := range files {
			l := crashedLab(t)
			tt.change(l)
			before := map[string][]byte{}
			for _, f := range files {
				before[f] = l.read(f)
			}
			l.do("boot")
			after := map[string][]byte{}
			for _, f := range files {
				after[f] = l.read(f)
			}
			for _, f := range files[n:] { // as they were when it was killed
				if before[f] == nil {
					_ = os.Remove(l.path(f))
					continue
				}
				l.write(f, before[f])
			}
			l.do("boot")
			for _, f := range files[:3] {
				if !bytes.Equal(after[f], l.read(f)) {
					t.Errorf("%s, killed before %s: %s changed", tt.name, files[n], f)
				}
			}
		}
	}
}

// TestLedgerUnwritable: the records are written all the same, and the next run tries
// again.
func TestLedgerUnwritable(t *testing.T) {
	l := crashedLab(t)
	l.check(os.Mkdir(l.path("state/boots"), 0o755))
	status, _, errs := l.try("boot")
	if status != 1 || !strings.Contains(errs, "state/boots") {
		t.Errorf("status %d, %s", status, errs)
	}
	l.holds("wtmp", crashedWants...)
	l.do("boot")
	l.holds("wtmp", crashedWants...)
}

// TestForeignState: a STATE_DIR that others may write is neither read nor written. The records
// are written all the same.
func TestForeignState(t *testing.T) {
	l := crashedLab(t)
	note := l.read("state/heartbeat")
	l.check(errors.Join(os.Remove(l.path("state/boot")), os.Chmod(l.path("state"), 0o777)))
	status, _, errs := l.try("boot")
	if status != exitError || !strings.Contains(errs, "STATE_DIR "+l.path("state")+": others may write it (mode 0777") {
		t.Errorf("status %d, %s", status, errs)
	}
	if got := l.lines("wtmp"); !slices.Contains(got, "10:02:00 BOOT_TIME reboot") || slices.Contains(got, crashedWants[2]) {
		t.Errorf("wtmp has %q: not this boot, or the crash by the note", got)
	}
	if names, err := os.ReadDir(l.path("state")); err != nil || len(names) != 1 || !bytes.Equal(note, l.read("state/heartbeat")) {
		t.Errorf("STATE_DIR was written to: %v %v", names, err)
	}
	if status, _, errs = l.try("shutdown"); status != exitError || !strings.Contains(errs, "others may write it") {
		t.Errorf("shutdown: status %d, %s", status, errs)
	}
}

// TestLogTakesNothing: what cannot be recorded in the log is in the ledger, and no boot
// fails because of it.
func TestLogTakesNothing(t *testing.T) {
	var other []byte
	for i := range 20 {
		p, err := utmpx.Glibc384BE.Encode(login("pts/0", int32(i+1), "09:30"))
		if err != nil {
			t.Fatal(err)
		}
		other = append(other, p...)
	}
	for name, spoil := range map[string]func(l *lab){
		"no regular file":           func(l *lab) { l.check(errors.Join(os.Remove(l.path("wtmp")), os.Mkdir(l.path("wtmp"), 0o700))) },
		"other system's at its end": func(l *lab) { l.write("wtmp", append(l.read("wtmp"), other...)) },
	} {
		t.Run(name, func(t *testing.T) {
			l := crashedLab(t)
			spoil(l)
			for i, command := range []string{"boot", "shutdown", "boot"} {
				status, out, errs := l.try(command)
				if status != 0 || i == 0 && !strings.Contains(errs, "nothing is recorded in the log") {
					t.Errorf("%s: status %d, %s%s", command, status, out, errs)
				}
			}
			if ledger := string(l.read("state/boots")); !strings.Contains(ledger, "crash") {
				t.Errorf("the ledger has no crash: %s", ledger)
			}
		})
	}
}

// TestLogRefuses: the ledger gets what the log refuses, since utmpd is about to overwrite the
// note.
func TestLogRefuses(t *testing.T) {
	l := crashedLab(t)
	l.wait = time.Millisecond
	unlock := lock(t, l.path("wtmp"))
	status, out, errs := l.try("boot")
	unlock()
	if status != exitError || !strings.Contains(out, "the last boot crashed") {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
	if ledger := string(l.read("state/boots")); !strings.Contains(ledger, "crash") {
		t.Errorf("the ledger has no crash: %s", ledger)
	}
	l.wait = time.Minute
	l.do("boot")
	l.holds("wtmp", crashedWants...)
}

// TestBootAtTornEnd: a torn record at the end keeps no boot from being recorded, and stays.
func TestBootAtTornEnd(t *testing.T) {
	l := crashedLab(t)
	torn := bytes.Repeat([]byte{'x'}, 100)
	was := append(l.read("wtmp"), torn...)
	l.write("wtmp", was)
	l.do("boot")
	got := l.read("wtmp")
	if size := utmpx.Native().Size(); len(got) != (len(was)/size+3)*size || !bytes.HasPrefix(got, was) {
		t.Errorf("%d bytes of %d, want %q kept and two records after it", len(got), len(was), torn)
	}
	l.do("boot")
	if again := l.read("wtmp"); !bytes.Equal(again, got) {
		t.Error("the second run has written again")
	}
}

// TestBootRecords: the key decides who writes.
func TestBootRecords(t *testing.T) {
	for _, tt := range []struct {
		value  string
		system initsystem.Writes
		writes bool
	}{
		{"auto", initsystem.Writes{}, true},
		{"auto", systemd, false},
		{"yes", systemd, true},
		{"no", initsystem.Writes{}, false},
	} {
		l := crashedLab(t, "BOOT_RECORDS="+tt.value)
		if tt.value == "no" || tt.system == systemd {
			l.write("wtmp", encode(t, system(utmpx.BootTime, "reboot", "08:00"), login("pts/0", 900, "09:00")))
		}
		l.system = tt.system
		l.do("boot")
		want := crashedWants
		if !tt.writes {
			want = want[:len(want)-1]
		}
		l.holds("wtmp", want...)
		if utmp := l.read("utmp"); (utmp != nil) != tt.writes {
			t.Errorf("BOOT_RECORDS=%s with %q: utmp has %d bytes", tt.value, tt.system.Who, len(utmp))
		}
	}
}

// TestShutdownCleans: the records of dead sessions are marked, with their logouts
// before the shutdown; those of the living stay.
func TestShutdownCleans(t *testing.T) {
	l := newLab(t)
	l.starts("a", "08:00")
	l.do("boot")
	l.living = map[int32]bool{901: true}
	recs := []utmpx.Record{login("pts/0", 900, "09:00"), login("pts/1", 901, "09:00"), login(":0", 902, "09:00")}
	l.logs(recs...)
	l.write("utmp", append(l.read("utmp"), encode(t, recs...)...))
	l.until("10:00")
	l.do("shutdown")
	l.holds("utmp", "08:00:00 BOOT_TIME reboot", "10:00:00 DEAD  pts/0", "09:00:00 USER alice pts/1", "09:00:00 USER alice :0")
	l.holds("wtmp", "08:00:00 BOOT_TIME reboot", "09:00:00 USER alice pts/0", "09:00:00 USER alice pts/1", "09:00:00 USER alice :0",
		"10:00:00 DEAD  pts/0", "10:00:00 RUN_LVL shutdown")
	n, err := heartbeat.ReadNote(l.path("state/heartbeat"))
	if err != nil || n.State != heartbeat.Shutdown || !n.Time.Equal(at("10:00")) || n.BootID != "a" {
		t.Errorf("the note: %v, %v", n, err)
	}
}

// TestStampFailed: what could not be done is an error, and what could is done.
func TestStampFailed(t *testing.T) {
	l := crashedLab(t)
	l.check(os.Remove(l.path("state/boot")))
	l.check(os.Mkdir(l.path("state/boot"), 0o755))
	l.write("state/boot/x", nil)
	status, _, errs := l.try("boot")
	if status != 1 || !strings.Contains(errs, "state/boot: file exists") {
		t.Errorf("status %d, %s", status, errs)
	}
	l.holds("wtmp", crashedWants...)
}

// TestLocked: a boot does not hang on a lock.
func TestLocked(t *testing.T) {
	l := crashedLab(t)
	l.wait = 50 * time.Millisecond
	unlock := lock(t, l.path("wtmp"))
	status, _, errs := l.try("boot")
	if status != 1 || !strings.Contains(errs, "locked") {
		t.Errorf("status %d, %s", status, errs)
	}
	// What failed is made good by a later run.
	unlock()
	l.do("boot")
	l.holds("wtmp", crashedWants...)
}

// TestOpenRC: openrc-init records the boot late, and into the log alone.
func TestOpenRC(t *testing.T) {
	l := newLab(t)
	l.system = initsystem.Writes{Who: "openrc-init and openrc-shutdown", BootLog: true, Shutdown: true}
	late := func(when string) utmpx.Record {
		r := system(utmpx.RunLevel, "reboot", when)
		r.Line = "~~"
		return r
	}
	l.starts("a", "08:00")
	l.do("boot")
	l.logs(login("tty1", 900, "08:00:30"), late("08:00:40"))
	l.until("08:01")
	l.check(os.Remove(l.path("state/boot")))
	l.do("boot")
	if out := l.do("downtime"); !strings.Contains(out, " running ") {
		t.Error(out)
	}
	l.beats("10:00", heartbeat.Running)
	l.starts("b", "10:02")
	l.do("boot")
	l.holds("utmp", "10:02:00 BOOT_TIME reboot")
	l.holds("wtmp", "08:00:30 USER alice tty1", "08:00:40 RUN_LVL reboot ~~", "10:00:00 RUN_LVL shutdown crash+60s,heartbeat")
}

// TestSavedClock: the clock was hours behind at this boot, and no utmpx file in memory
// has the time of its record. The stamp tells that the record is this boot's.
func TestSavedClock(t *testing.T) {
	l := newLab(t)
	l.durable = true
	l.logs(system(utmpx.BootTime, "reboot", "08:00"), system(utmpx.RunLevel, "shutdown", "10:00"))
	l.starts("b", "10:00:20")
	l.do("boot")
	l.starts("b", "18:00")
	l.until("18:30")
	out := l.do("downtime")
	for _, want := range []string{"shut down  2h00m   8h00m  yes", "running    30m00s"} {
		if !strings.Contains(out, want) {
			t.Errorf("not %q in\n%s", want, out)
		}
	}
}

// TestSavedClockBefore: where this boot's clock went on at the last shutdown, that of the
// boots before may have, too, if nothing in them happened for long. A boot that did not
// follow at once, and one in which much happened, are as recorded.
func TestSavedClockBefore(t *testing.T) {
	day := func(d, from, to string) []utmpx.Record {
		return []utmpx.Record{system(utmpx.BootTime, "reboot", d+from), login("pts/0", 900, d+"15:00"), system(utmpx.RunLevel, "shutdown", d+to)}
	}
	l := newLab(t)
	l.durable = true
	l.logs(day("2026-06-28 ", "08:00", "16:00")...)
	l.logs(day("2026-06-29 ", "08:00", "16:00")...)
	l.logs(system(utmpx.BootTime, "reboot", "2026-06-29 16:00:10"), system(utmpx.RunLevel, "shutdown", "2026-06-29 16:40"))
	l.logs(system(utmpx.BootTime, "reboot", "2026-06-29 16:40:10"), login("pts/0", 900, "2026-06-30 15:00"), system(utmpx.RunLevel, "shutdown", "2026-06-30 16:00"))
	l.starts("b", "2026-06-30 16:00:10")
	l.do("boot")
	l.starts("b", "2026-07-01 08:00")
	l.until("2026-07-01 09:00")
	out := l.do("downtime")
	for _, want := range []string{
		"2026-06-28 08:00:00  2026-06-28 16:00:00  shut down  8h00m    16h00m   yes",
		"2026-06-29 08:00:00  2026-06-29 16:00:00  shut down  8h00m    10s      yes",
		"2026-06-29 16:00:10  2026-06-29 16:40:00  shut down  39m50s   unknown  yes",
		"2026-06-29 16:40:10  2026-06-30 16:00:00  shut down  > 1h00m  16h00m   no: the clock was set",
		"running    1h00m",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("not %q in\n%s", want, out)
		}
	}
}

// TestInitWritesFirst: sysvinit with a root that is writable from the start writes its own
// records before any script runs, and BOOT_TIME after them.
func TestInitWritesFirst(t *testing.T) {
	byInit := func(typ utmpx.Type, when string) utmpx.Record {
		r := utmpx.Record{Type: typ, PID: 90, ID: "si", Host: "6.1.0", Time: utmpx.TimeOf(at(when))}
		return r
	}
	before := []utmpx.Record{byInit(utmpx.InitProcess, "00:00:01"), byInit(utmpx.DeadProcess, "00:00:02"),
		system(utmpx.BootTime, "reboot", "00:00:02"), login("pts/0", 900, "00:10")}
	tests := []struct {
		name string
		beat string // the last one; "" for none
		want string // END to EXACT of the boot before
	}{
		{"power cut, heartbeat", "00:33:19", "crashed  33m17s  1m52s  +60 s"},
		{"nine hours without power, no note", "", "crashed  9m58s  < 25m11s  no: last sign of life"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.system = initsystem.Writes{Who: "sysvinit", BootLog: true, BootFile: true, Shutdown: true}
			l.starts("a", "00:00:01")
			l.do("boot")
			l.logs(before...)
			if tt.beat != "" {
				l.beats(tt.beat, heartbeat.Running)
			}
			l.accessed("00:09")
			l.starts("b", "00:35:11")
			l.logs(byInit(utmpx.InitProcess, "00:35:12"))
			l.until("00:35:13")
			if out := l.do("boot"); strings.Contains(out, "the clock is behind") {
				t.Error(out)
			}
			l.logs(byInit(utmpx.DeadProcess, "00:35:14"), system(utmpx.BootTime, "reboot", "00:35:14"))
			l.until("00:36")
			if out := l.do("downtime"); !strings.Contains(out, tt.want) {
				t.Errorf("not %q in\n%s", tt.want, out)
			}
		})
	}
}

// TestDowntimeBeforeBoot: until utmpctl boot has run, the stamp is that of an earlier boot, and
// so is the log's last record if it has the stamp's time: the clock began at one second again.
func TestDowntimeBeforeBoot(t *testing.T) {
	l := newLab(t)
	l.starts("first", "08:00")
	l.do("boot")
	if out := l.do("downtime"); !strings.Contains(out, " running ") {
		t.Errorf("the first boot does not run:\n%s", out)
	}
	l.starts("second", "08:00")
	if out := l.do("downtime"); strings.Contains(out, " running ") {
		t.Errorf("the first boot runs in the second:\n%s", out)
	}
	l.do("boot")
	if out := l.do("downtime"); !strings.Contains(out, " running ") {
		t.Errorf("the second boot does not run:\n%s", out)
	}
}
