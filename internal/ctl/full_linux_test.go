// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/ledger"
	"utmpd.dev/utmpd/utmpx"
)

// TestBootOnAFullDisk runs `utmpctl boot` first on a full file system and again
// once there is space. The first run leaves the access time as it is, so the
// second one knows the time of the crash. The test needs root.
func TestBootOnAFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: it mounts a file system")
	}
	l := newLab(t)
	conf := l.read("conf")
	mountTmpfs(t, l.dir, "size=64k")
	l.check(os.Mkdir(l.path("state"), 0o755))
	l.write("conf", conf)
	l.write("wtmp", nil)

	l.starts("a", "08:00")
	l.do("boot")
	for len(l.read("wtmp"))%os.Getpagesize() != 0 { // so that one more record needs a page
		l.logs(login("pts/0", 900, "09:00"))
	}
	size := len(l.read("wtmp"))
	l.accessed("09:30")
	l.starts("b", "10:02")
	fill(t, l.path("filler"))
	if status, out, errs := l.try("boot"); status == 0 {
		t.Fatalf("utmpctl boot on a full disk: status 0\n%s%s", out, errs)
	}
	if info, err := os.Stat(l.path("wtmp")); err != nil || info.Size() != int64(size) { // reading it would move the access time
		t.Fatalf("the log has %v bytes, want %d: %v", info.Size(), size, err)
	}
	l.check(os.Remove(l.path("filler")))
	l.do("boot")
	native := utmpx.Native()
	var got []string
	for b := string(l.read("wtmp")[size:]); len(b) >= native.Size(); b = b[native.Size():] {
		got = append(got, text(native.Decode(b[:native.Size()])))
	}
	want := []string{"09:30:00 RUN_LVL shutdown crash+?,access-time", "10:02:00 BOOT_TIME reboot"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the second run appended (-want +got)\n%s", diff)
	}
}

// TestLedgerOnAFullDisk appends to a ledger of which only a part of the next line fits.
// It needs root.
func TestLedgerOnAFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: it mounts a file system")
	}
	l := newLab(t)
	mountTmpfs(t, l.dir, "size=64k")
	past := func(n int) boots.Past {
		return boots.Past{Boot: fmt.Sprint(n), From: at("08:00").AddDate(0, 0, n), To: at("09:00").AddDate(0, 0, n), End: boots.ShutDown}
	}
	n := 0
	for n == 0 || len(l.read("boots"))%os.Getpagesize() < os.Getpagesize()-50 { // a line has 80 bytes
		l.check(ledger.Append(t.Context(), l.path("boots"), past(n)))
		n++
	}
	before := l.read("boots")
	fill(t, l.path("filler"))
	if err := ledger.Append(t.Context(), l.path("boots"), past(n)); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v", err)
	}
	if !bytes.Equal(before, l.read("boots")) {
		t.Error("the ledger has changed")
	}
	l.check(os.Remove(l.path("filler")))
	l.check(ledger.Append(t.Context(), l.path("boots"), past(n)))
	if ps, err := ledger.Read(l.path("boots")); err != nil || len(ps) != n+1 {
		t.Errorf("%d boots, error %v; want %d", len(ps), err, n+1)
	}
}

// mountTmpfs mounts a tmpfs that only this goroutine sees. Its thread ends with
// the test.
func mountTmpfs(t *testing.T, dir, options string) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_STRICTATIME)
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill writes a file until nothing more fits.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, os.Getpagesize()))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// TestLoginLongLog records a session beside a long log, of which a login reads the end alone: PAM
// waits for it.
func TestLoginLongLog(t *testing.T) {
	l := newDesk(t)
	l.write("wtmp", bytes.Repeat(encode(t, login("pts/7", 900, "08:10"), login("pts/8", 900, "08:20")), 50_000))
	size := int64(len(l.read("wtmp")))
	before := readBytes(t)
	l.do("login", "-user", "alice")
	if read := readBytes(t) - before; read > 1<<20 {
		t.Errorf("the login read %d bytes, the log has %d", read, size)
	}
	if got := l.read("wtmp")[size:]; int64(len(got))*100_000 != size {
		t.Errorf("%d bytes were appended", len(got))
	}
}

// TestLogoutLongLog ends a session beside a long log: of that no more is read than shows its
// login, also where no record is left.
func TestLogoutLongLog(t *testing.T) {
	for _, lost := range []bool{false, true} {
		l := newDesk(t)
		l.write("wtmp", bytes.Repeat(encode(t, login("pts/7", 900, "08:10"), login("pts/8", 900, "08:20")), 50_000))
		l.do("login", "-user", "alice")
		l.logs(login("pts/7", 900, "08:30"), login("pts/8", 901, "08:40"))
		if lost {
			l.write("utmp", nil)
		}
		size := len(l.read("wtmp"))
		before := readBytes(t)
		l.do("logout")
		if read := readBytes(t) - before; read > 1<<20 {
			t.Errorf("record lost: %v: the logout read %d bytes, the log has %d", lost, read, size)
		}
		if got := utmpx.Native().Decode(string(l.read("wtmp")[size:])); got.Type != utmpx.DeadProcess || got.Line != "pts/3" {
			t.Errorf("record lost: %v: %v was appended", lost, got)
		}
	}
}

// readBytes returns how many bytes this process has read.
func readBytes(t *testing.T) (n int64) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/io")
	if err == nil {
		_, err = fmt.Sscanf(string(b), "rchar: %d", &n)
	}
	if err != nil {
		t.Skip(err)
	}
	return n
}
