// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// note is a file of STATE_DIR: a boot's begin, or its heartbeat.
func note(boot, at, every, state string) []byte {
	return []byte(fmt.Sprintf("utmpd-heartbeat 2\nboot %q\ntime %s\nevery %s\nstate %s\n", boot, on(at).Format(time.RFC3339Nano), every, state))
}

// noted makes a machine whose STATE_DIR tells of a boot: its begin, and the heartbeat.
func noted(t *testing.T, wtmp []byte, begin, beat, every, state string) world {
	t.Helper()
	w := newWorld(t, nil, wtmp, "BOOT_RECORDS=yes")
	const id = "bbbbbbbb-2222-3333-4444-555555555555"
	w.write(t, filepath.Join(w.dir, "state/boot"), note(id, begin, "0s", "running"))
	w.write(t, filepath.Join(w.dir, "state/heartbeat"), note(id, beat, every, state))
	return w
}

// TestEmptyLogWithNote has a log in memory, or one that was cleared: only the note
// tells of the crash.
func TestEmptyLogWithNote(t *testing.T) {
	for name, log := range map[string][]byte{"empty": {}, "nothing but NULs": make([]byte, 8192)} {
		t.Run(name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			w := noted(t, log, "2024-11-20 20:00:00", "2024-11-20 21:30:00", "1m0s", "running")
			w.bootHelper(t)
			h, _ := downtime(t, "-config", w.conf)
			h.was(t, "2024-11-20 20:00:00", "2024-11-20 21:30:00", "crashed")
			if h.Total.Boots != 2 || h.Total.Crashes != 1 {
				t.Errorf("%d boots, %d crashes, want 2 and 1", h.Total.Boots, h.Total.Crashes)
			}
		})
	}
}

// TestOlderAndDamaged has such a log that a power cut has damaged besides.
func TestOlderAndDamaged(t *testing.T) {
	log := x86.bytes(day("2024-11-19")...)
	for name, damaged := range map[string][]byte{
		"NULs behind": slices.Concat(log, make([]byte, 4096)),
		"NULs before": slices.Concat(make([]byte, 4096), log),
		"torn inside": slices.Concat(log[:584], log[384:]),
	} {
		t.Run(name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			w := noted(t, damaged, "2024-11-20 15:00:00", "2024-11-20 18:00:00", "1m0s", "running")
			w.bootHelper(t)
			h, _ := downtime(t, "-config", w.conf)
			h.was(t, "2024-11-19 08:00:00", "2024-11-19 18:00:00", "shut down")
			h.was(t, "2024-11-20 15:00:00", "2024-11-20 18:00:00", "crashed")
		})
	}
}

// TestLogOlderThanBoot has a log that was written back before the last boot, so that
// only STATE_DIR knows that boot.
func TestLogOlderThanBoot(t *testing.T) {
	for _, test := range []struct{ name, state, end string }{
		{"crashed", "running", "crashed"},
		{"shut down", "shutdown", "shut down"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			every := map[string]string{"running": "1m0s", "shutdown": "0s"}[test.state]
			w := noted(t, x86.bytes(day("2024-11-19")...), "2024-11-20 15:00:00", "2024-11-20 18:00:00", every, test.state)
			w.bootHelper(t)
			h, _ := downtime(t, "-config", w.conf)
			h.was(t, "2024-11-19 08:00:00", "2024-11-19 18:00:00", "shut down")
			h.was(t, "2024-11-20 15:00:00", "2024-11-20 18:00:00", test.end)
			if down := h.from(t, "2024-11-19 08:00:00").Down; down == nil || *down != 21*3600 {
				t.Errorf("down after the first boot: %v, want 21 h", seconds(down))
			}
		})
	}
}

// TestNotedShutdown has a shutdown that no record tells of, only the note.
func TestNotedShutdown(t *testing.T) {
	if !enter(t) {
		return
	}
	w := noted(t, x86.bytes(boot(on("2024-11-20 08:00:00")), login("a", "pts/0", 1000, on("2024-11-20 09:00:00"))), "2024-11-20 08:00:00", "2024-11-20 11:30:00", "0s", "shutdown")
	w.bootHelper(t)
	h, _ := downtime(t, "-config", w.conf)
	h.was(t, "2024-11-20 08:00:00", "2024-11-20 11:30:00", "shut down")
}

// TestContainerStartedAgain has a container that is killed and started again: another
// process 1 under the kernel's one boot id.
func TestContainerStartedAgain(t *testing.T) {
	if !enter(t) {
		return
	}
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	beat := time.Now().Add(-2 * time.Hour).Truncate(time.Second).UTC()
	begin := beat.Add(-time.Hour)
	w := newWorld(t, nil, x86.bytes(boot(begin)), "BOOT_RECORDS=yes")
	kernel := strings.TrimSpace(string(id))
	w.write(t, filepath.Join(w.dir, "state/boot"), note(kernel, begin.Format(time.DateTime), "0s", "running"))
	w.write(t, filepath.Join(w.dir, "state/heartbeat"), note(kernel, beat.Format(time.DateTime), "2s", "running"))
	w.bootHelper(t)
	h, _ := downtime(t, "-config", w.conf)
	h.was(t, begin.Format(time.DateTime), beat.Format(time.DateTime), "crashed")
	if h.Total.Boots != 2 {
		t.Errorf("%d boots, want 2", h.Total.Boots)
	}
}

// logOf writes a log into the world and tells its history.
func logOf(t *testing.T, b []byte) (history, string) {
	t.Helper()
	name := filepath.Join(os.Getenv(worldEnv), "log")
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return downtime(t, "-f", name)
}

func seconds(f *float64) any {
	if f == nil {
		return "unknown"
	}
	return time.Duration(*f * 1e9)
}
