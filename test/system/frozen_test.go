// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// emptyDisk is an ext4 file system of 4 MB without a journal, as mkfs.ext4 -O ^has_journal
// makes it.
//
//go:embed testdata/ext4.img.gz
var emptyDisk []byte

// disk is a mounted ext4 file system that can be frozen.
type disk struct {
	dir  string
	root *os.File
}

// mountDisk mounts an empty disk, which goes when it is unmounted.
func mountDisk(t *testing.T) *disk {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(emptyDisk))
	if err != nil {
		t.Fatal(err)
	}
	image, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/tmp/disk.img", image, 0o600); err != nil {
		t.Fatal(err)
	}
	d := &disk{dir: "/disk"}
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	loop := attach(t, "/tmp/disk.img")
	if err := unix.Mount(loop.Name(), d.dir, "ext4", 0, ""); err != nil {
		t.Fatal(err)
	}
	loop.Close()
	if d.root, err = os.Open(d.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.thaw() })
	return d
}

// attach makes a block device of a file. The kernel frees it once nobody uses it.
func attach(t *testing.T, image string) *os.File {
	t.Helper()
	if err := unix.Mknod("/dev/loop-control", unix.S_IFCHR|0o600, int(unix.Mkdev(10, 237))); err != nil {
		t.Fatal(err)
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	back, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	for { // others look for a free one, too
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("/dev/loop%d", n)
		if err := unix.Mknod(name, unix.S_IFBLK|0o600, int(unix.Mkdev(7, uint32(n)))); err != nil && err != unix.EEXIST {
			t.Fatal(err)
		}
		loop, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		config := unix.LoopConfig{Fd: uint32(back.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		switch err := unix.IoctlLoopConfigure(int(loop.Fd()), &config); err {
		case nil:
			return loop
		case unix.EBUSY:
			loop.Close()
		default:
			t.Fatal(err)
		}
	}
}

// freeze has every write to the disk wait, as fsfreeze(8) does for a backup. If the test
// hangs, it is thawed all the same: nothing could end what waits for it.
func (d *disk) freeze(t *testing.T) {
	t.Helper()
	time.AfterFunc(generous+30*time.Second, d.thaw)
	const fifreeze = 0xc0045877
	if err := unix.IoctlSetInt(int(d.root.Fd()), fifreeze, 0); err != nil {
		t.Fatal(err)
	}
}

func (d *disk) thaw() {
	const fithaw = 0xc0045878
	_ = unix.IoctlSetInt(int(d.root.Fd()), fithaw, 0)
}

// onDisk puts wtmp and STATE_DIR on a disk.
func onDisk(t *testing.T) *disk {
	t.Helper()
	d := mountDisk(t)
	for _, dir := range []string{"/log", "/state"} {
		if err := os.Mkdir(d.dir+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeLog(t, d.dir+"/log/wtmp", readFile(t, wtmpFile))
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		t.Fatal(err)
	}
	mount(t, d.dir+"/log", "/var/log", unix.MS_BIND)
	mount(t, d.dir+"/log", judgeRoot+"/var/log", unix.MS_BIND)
	mount(t, d.dir+"/state", stateDir, unix.MS_BIND)
	return d
}

// TestFrozenDisk freezes the file system of wtmp and STATE_DIR. utmpd must mark who dies,
// name what hangs, and write the logout after the thaw.
func TestFrozenDisk(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	disk := onDisk(t)
	p := beside(t, "WTMPX_UPDATE_FREQ=1")
	disk.freeze(t)
	died := p.dies.kill(t)
	waitFor(t, generous, "utmp to be marked in spite of the disk", func() bool { return !whoShows(t, p.dies.entry.Line) })
	p.d.waitLog(t, "session ended", "line=x/2", "logout=owed")
	p.d.waitLog(t, "does not answer", "file=wtmpx")
	waitFor(t, generous, "the status to name what hangs", func() bool {
		return strings.Contains(string(readFile(t, "/run/utmpd/status")), "\nno answer: wtmpx since ")
	})
	p.lives.mustStand(t)
	statusSays(t, "logouts owed: 1") // it is written once a second: the one before says 0
	disk.thaw()
	statusSays(t, "logouts owed: 0")
	p.mustHold(t, died)
}

// TestFrozenAtEnd ends utmpd while the disk is frozen. The kernel keeps the process, and
// the next one is told why, until the thaw. Nothing is lost.
func TestFrozenAtEnd(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	disk := onDisk(t)
	p := beside(t, "WTMPX_UPDATE_FREQ=1")
	disk.freeze(t)
	died := p.dies.kill(t)
	p.d.waitLog(t, "does not answer", "file=wtmpx")
	p.d.cmd.Process.Signal(syscall.SIGTERM)
	p.d.waitLog(t, "utmpd ended")
	next := utmpdCommand(nil)
	out, err := next.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "already running") || !strings.Contains(string(out), "wtmpx since") {
		t.Errorf("beside a utmpd that the kernel keeps: %v, %s", err, out)
	}
	p.lives.mustStand(t)
	disk.thaw()
	select {
	case <-p.d.done:
	case <-time.After(generous):
		t.Fatal("utmpd does not end after the thaw")
	}
	p.d = startUtmpdAs(t, nil)
	waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, p.dies.entry.Line) })
	died.to = time.Now()
	p.mustHold(t, died)
}

// TestFrozenAtRest freezes the disk of a machine on which nothing happens: the heartbeat
// alone shows it.
func TestFrozenAtRest(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	disk := onDisk(t)
	p := beside(t, "WTMPX_UPDATE_FREQ=1")
	settle(t)
	disk.freeze(t)
	p.d.waitLog(t, "the system does not answer", "setting the access time of wtmpx since")
	disk.thaw()
	p.d.waitLog(t, "the system answers again")
	p.mustHold(t, p.dies.kill(t))
}
