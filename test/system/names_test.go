// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// In these tests ut_line leads to where utmpd must not go.

// mountMute mounts a FUSE file system that never answers until the test ends. The kernel
// waits for its first answer in each look-up. mode is the type of its root.
func mountMute(t *testing.T, target string, mode uint32) {
	t.Helper()
	if err := os.MkdirAll("/fuse", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := makeDevice("/fuse/device", 10, 229); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	fd, err := unix.Open("/fuse/device", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	options := fmt.Sprintf("fd=%d,rootmode=%o,user_id=0,group_id=0,allow_other", fd, mode)
	if err := unix.Mount("mute", target, "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		t.Fatal(err)
	}
}

// mustStay kills the process of a session on a line that utmpd does not look up, and
// checks that the record stays, with that reason.
func mustStay(t *testing.T, d *utmpd, w *dweller, reason string) {
	t.Helper()
	w.kill(t)
	d.waitLog(t, "session left alone", "line="+w.entry.Line, reason)
	w.mustStand(t)
}

// TestNameOutOfDev: any user can make a link in /dev/shm to a file system that never
// answers. A record that names it costs no other session anything, and utmpd ends when it
// is told to.
func TestNameOutOfDev(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	if err := os.MkdirAll("/mnt/mute", 0o755); err != nil {
		t.Fatal(err)
	}
	mountMute(t, "/mnt/mute", unix.S_IFDIR)
	if err := os.MkdirAll("/dev/shm/d", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/mnt/mute/x", "/dev/shm/d/x"); err != nil {
		t.Fatal(err)
	}
	p := beside(t)
	w := dwell(t, "shm/d/x")
	w.watched(t, p.d)
	died := p.dies.kill(t)
	p.dies.mustGo(t, died)
	mustStay(t, p.d, w, "too many levels of symbolic links")
	p.mustHold(t, died)
}

// TestNameOnMount: a file system that never answers is mounted below /dev/shm, as an
// ordinary user may with fusermount.
func TestNameOnMount(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	if err := os.MkdirAll("/dev/shm/d", 0o755); err != nil {
		t.Fatal(err)
	}
	mountMute(t, "/dev/shm/d", unix.S_IFDIR)
	p := beside(t)
	w := dwell(t, "shm/d/x")
	w.watched(t, p.d)
	died := p.dies.kill(t)
	p.dies.mustGo(t, died)
	mustStay(t, p.d, w, "invalid cross-device link")
	p.mustHold(t, died)
}

// TestNameHangs: a look-up that never comes back, of a device that root has mounted there,
// is given up.
func TestNameHangs(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	if err := makeDevice("/dev/mute", 1, 3); err != nil {
		t.Fatal(err)
	}
	mountMute(t, "/dev/mute", unix.S_IFCHR)
	p := beside(t)
	w := dwell(t, "mute")
	w.watched(t, p.d)
	died := p.dies.kill(t)
	p.dies.mustGo(t, died)
	mustStay(t, p.d, w, "look-up of its line hangs")
	p.mustHold(t, died)
}

// TestNameOfLinks: thousands of records name the longest way that links can make. The
// kernel needs milliseconds for it; utmpd does not go it.
func TestNameOfLinks(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	const links, records = 39, 30_000
	dir := "/dev/shm/l"
	if err := os.MkdirAll(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range links {
		to := strings.Repeat("d/../", 800) + fmt.Sprint(i+1)
		if err := os.Symlink(to, filepath.Join(dir, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	p := beside(t)
	lives := sleeper(t, exec.Command("sleep", "infinity"))
	at := slotOf(t, p.dies.entry)
	var b []byte
	for i := range records {
		r := user("shm/l/0", lives.Process.Pid)
		r.ID = fmt.Sprintf("%04x", i)
		b = append(b, encode(t, r)...)
	}
	write(t, utmpFile, -1, b)
	p.d.answers(t)
	waitFor(t, generous, "the records to be read", func() bool { return strings.Contains(p.d.statusText(t), fmt.Sprintf("sessions: %d", records+2)) })
	p.dies.kill(t)
	mustDie(t, at)
	p.d.stop(t)
	if got := slot(t, slotOf(t, p.lives.entry)); got.Type != utmpx.UserProcess {
		t.Errorf("the living session became %v", got)
	}
}

// statusText returns what RUN_DIR/status holds, empty if there is none.
func (d *utmpd) statusText(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/run/utmpd/status")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}
