// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/test/sealed"
)

// disk is an ext4 file system of its own, seen by the test's thread, and by the processes
// that it starts, alone.
type disk struct {
	t          testing.TB
	image, dir string
}

func newDisk(t testing.TB, size int64) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		notRun(t, "a file system of its own needs root")
	}
	runtime.LockOSThread() // the thread ends with the test: it is never unlocked
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		notRun(t, "a mount namespace of its own: "+err.Error())
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		notRun(t, "a file system of its own: "+err.Error())
	}
	check(t, syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	d := &disk{t: t, image: filepath.Join(t.TempDir(), "image"), dir: t.TempDir()}
	f, err := os.Create(d.image)
	check(t, err)
	check(t, f.Truncate(size))
	check(t, f.Close())
	d.run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.image)
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		notRun(t, "a loop device: "+string(out))
	}
	t.Cleanup(func() { _ = syscall.Unmount(d.dir, 0) })
	return d
}

func notRun(t testing.TB, why string) {
	t.Helper()
	if sealed.NotRun() != 0 {
		t.Fatal(why)
	}
	t.Skip(why)
}

func (d *disk) run(name string, args ...string) {
	d.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// sync syncs it.
func (d *disk) sync() { d.run("sync", "-f", d.dir) }

const (
	ext4Shutdown = 0x8004587d // EXT4_IOC_SHUTDOWN of the kernel's ext4.h
	noLogFlush   = 2          // EXT4_GOING_FLAGS_NOLOGFLUSH: what is not on the disk now never will be
)

// cut cuts it off: nothing is written any more, not even the journal.
func (d *disk) cut() {
	d.t.Helper()
	f, err := os.Open(d.dir)
	check(d.t, err)
	defer f.Close()
	how := uint32(noLogFlush)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&how))); errno != 0 {
		d.t.Fatal(errno)
	}
}

// again mounts it after a cut, as at the next boot.
func (d *disk) again() {
	d.t.Helper()
	d.run("umount", d.dir)
	d.run("mount", "-o", "loop", d.image, d.dir)
}

// TestPowerCut cuts the power of a server: what it had acknowledged and not synced is lost,
// and the agents send it again.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	d := newDisk(t, 64<<20)
	s := lab.StartIn(t, filepath.Join(d.dir, "server"), "-max-bytes", "16M")
	d.sync()
	hosts := []*host{newHost(t, "web1"), newHost(t, "web2")}
	var agents []*process
	start := func() {
		for _, h := range hosts {
			agents = append(agents, h.agent(s, s.URL()))
		}
	}
	stop := func() { // all: one that lived on would send again before anybody has looked
		for _, a := range agents {
			a.kill()
		}
		agents = nil
	}
	arrive := func() {
		for _, h := range hosts {
			h.arrives(s)
		}
	}
	happen := func(n int) {
		for _, h := range hosts {
			h.happen(n)
		}
	}
	happen(20)
	start()
	arrive()
	cuts := 2
	if *long {
		cuts = 12
	}
	for i := range cuts {
		if i%2 == 1 {
			d.sync()
		}
		happen(7)
		arrive()
		sent := i%3 != 1
		if sent {
			stop()
		} else {
			happen(10)
		}
		had := len(s.Stored(wire.Events))
		d.cut()
		s.Kill()
		stop()
		d.again()
		s.Restart()
		if got := len(s.Stored(wire.Events)); sent && got >= had && i%2 == 0 {
			t.Errorf("%d events of %d: the cut lost nothing", got, had)
		} else {
			t.Logf("cut %d: %d of %d events were there", i, got, had)
		}
		start()
		arrive()
	}
}

// TestDiskFull fills the disk of a server, which ends with an error, and makes room before it
// is started again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	d := newDisk(t, 24<<20)
	s := lab.StartIn(t, filepath.Join(d.dir, "server"), "-max-bytes", "64M")
	h := newHost(t, "web1")
	h.happen(20)
	h.agent(s, s.URL())
	h.arrives(s)
	rounds := 1
	if *long {
		rounds = 5
	}
	for range rounds {
		d.fill(filepath.Join(d.dir, "other"))
		h.happen(1000)
		if code := s.Ended(); code != 1 || !s.Said("cannot be written") {
			t.Errorf("the server ended with status %d", code)
		}
		check(t, os.Remove(filepath.Join(d.dir, "other")))
		s.Restart()
		h.arrives(s)
	}
}

// fill fills it.
func (d *disk) fill(name string) {
	d.t.Helper()
	f, err := os.Create(name)
	check(d.t, err)
	b := make([]byte, 1<<20)
	for len(b) > 0 {
		if _, err := f.Write(b); err != nil {
			b = b[:len(b)/2]
		}
	}
	check(d.t, f.Close())
}
