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
	cmd := exec.Command("unshare", "--mount", "sh", "-c", `umount -l /proc && exec "$0" -foreground -config "$1"`, utmpdBinary, configFile)
	d := startUtmpdBy(t, cmd)
	d.waitLog(t, "utmpd started", "missing=", "/proc")
	d.waitLog(t, "session left alone", "line=x/3")
	dies.mustGo(t, dies.kill(t))
	lives.mustStand(t)
	gone.mustStand(t)
	d.stop(t)
}

// TestReadOnly: the files are on a file system that is read-only at the start. What died
// meanwhile is cleaned when it can be written again.
func TestReadOnly(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	const dir = "/var/lib/records"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	lives, dies := dwell(t, "x/1"), dwell(t, "x/2")
	for _, name := range []string{utmpFile, wtmpFile} {
		b := readFile(t, name)
		at := dir + "/" + name[len(name)-4:]
		if err := os.WriteFile(at, b, 0o664); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(at, name, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		defer unix.Unmount(name, unix.MNT_DETACH)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	d := startUtmpd(t)
	d.waitLog(t, "utmpd started", "missing=")
	dies.watched(t, d)
	died := dies.kill(t)
	d.waitLog(t, "cleaning waits", "read-only file system")
	settle(t)
	lives.mustStand(t)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	dies.mustGo(t, died)
	lives.mustStand(t)
	d.stop(t)
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
	p.mustHold(t, died)
	after := usageOf(t, p.d.cmd.Process.Pid)
	stop.Store(true)
	writer.Wait()
	f.Close()
	t.Logf("%.0f requests a second; before %+v, after %+v", float64(n.Load())/time.Since(began).Seconds(), before, after)
	if after.rss > before.rss+16<<20 || after.descriptors > before.descriptors+4 {
		t.Errorf("utmpd used %+v and now uses %+v", before, after)
	}
}
