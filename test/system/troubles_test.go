// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWithoutProc: without /proc utmpd knows processes by their descriptors alone. It ends
// the sessions whose process it saw die, and nothing else.
func TestWithoutProc(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	configure(t)
	lives, dies, gone := dwell(t, "x/1"), dwell(t, "x/2"), dwell(t, "x/3")
	gone.kill(t)
	cmd := exec.Command("unshare", "--mount", "sh", "-c", `busybox umount -l /proc && exec "$0" -foreground -config "$1"`, utmpdBinary, configFile)
	d := startUtmpdBy(t, cmd)
	d.waitLog(t, "utmpd started", "missing=", "/proc")
	d.waitLog(t, "session left alone", "line=x/3")
	dies.mustGo(t, dies.kill(t))
	lives.mustStand(t)
	gone.mustStand(t)
	d.stop(t)
}

// TestReadOnly: the files are read-only at the start. What died meanwhile is cleaned
// when they can be written again.
func TestReadOnly(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	lives, dies := dwell(t, "x/1"), dwell(t, "x/2")
	files := []string{utmpFile, wtmpFile}
	for _, name := range files {
		mount(t, name, name, unix.MS_BIND)
		t.Cleanup(func() { unix.Unmount(name, unix.MNT_DETACH) })
		mount(t, "", name, unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY)
	}
	d := startUtmpd(t)
	d.waitLog(t, "utmpd started", "missing=")
	dies.watched(t, d)
	died := dies.kill(t)
	d.waitLog(t, "cleaning waits", "read-only file system")
	settle(t)
	lives.mustStand(t)
	for _, name := range files {
		mount(t, "", name, unix.MS_BIND|unix.MS_REMOUNT)
	}
	dies.mustGo(t, died)
	lives.mustStand(t)
	d.stop(t)
}

// TestReadOnlyLater: both files and STATE_DIR become read-only while utmpd runs, as a file
// system does after an error of its disk. utmpd says so, judges on, and goes on writing when
// it can. RUN_DIR, in which it holds files open, cannot be made so without such an error.
func TestReadOnlyLater(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	places := []string{utmpFile, "/var/log", "/var/lib/utmpd"}
	if err := os.MkdirAll(places[2], 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range places {
		mount(t, name, name, unix.MS_BIND)
		t.Cleanup(func() { unix.Unmount(name, unix.MNT_DETACH) })
	}
	d := startUtmpd(t, "SCAN_PERIOD=1", "WTMPX_UPDATE_FREQ=1")
	lives, dies, later := dwell(t, "x/1"), dwell(t, "x/2"), dwell(t, "x/3")
	for _, w := range []*dweller{lives, dies, later} {
		w.watched(t, d)
	}
	for _, name := range places {
		mount(t, "", name, unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY)
	}
	died := dies.kill(t)
	for _, said := range []string{"cleaning waits", "cannot write the heartbeat's note"} {
		d.waitLog(t, said, "read-only file system")
	}
	settle(t)
	lives.mustStand(t)
	dies.mustStand(t)
	for _, name := range places {
		mount(t, "", name, unix.MS_BIND|unix.MS_REMOUNT)
	}
	dies.mustGo(t, died)
	later.mustGo(t, later.kill(t))
	lives.mustStand(t)
	d.waitLog(t, "the heartbeat's note is written again")
	d.stop(t)
}

func mount(t *testing.T, from, at string, flags uintptr) {
	t.Helper()
	if err := unix.Mount(from, at, "", flags, ""); err != nil {
		t.Fatalf("mount %s: %v", at, err)
	}
}

// TestFloodedPipe: requests come as fast as they can be written. A death is cleaned all
// the same, and utmpd does not grow.
func TestFloodedPipe(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	p := beside(t)
	f, err := os.OpenFile("/run/utmpd/utmppipe", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var n atomic.Int64
	var writer sync.WaitGroup
	requests := make([]byte, 4096) // of pids from 1 on, and of none
	for i := 0; i < len(requests); i += 8 {
		requests[i], requests[i+4], requests[i+5] = 1, byte(i>>3), byte(i>>11)
	}
	writer.Go(func() {
		for !stop.Load() {
			k, err := f.Write(requests)
			if n.Add(int64(k / 8)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	before := usageOf(t, p.d.cmd.Process.Pid)
	began := time.Now()
	settle(t)
	died := p.dies.kill(t)
	p.dies.mustGo(t, died)
	p.lives.mustStand(t)
	after := usageOf(t, p.d.cmd.Process.Pid)
	stop.Store(true)
	writer.Wait()
	took := time.Since(began)
	f.Close()
	p.mustHold(t, died)
	t.Logf("%.0f requests a second; before %+v, after %+v", float64(n.Load())/took.Seconds(), before, after)
	if after.rss > before.rss+16<<20 || after.descriptors > before.descriptors+4 {
		t.Errorf("utmpd used %+v and now uses %+v", before, after)
	}
}
