// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAppendOnly has a log to which the kernel only lets programs append (chattr +a),
// as guides to hardening advise, and that ends with a part of a record.
func TestAppendOnly(t *testing.T) {
	for name, tail := range map[string]string{"whole": "", "torn": strings.Repeat("x", 100)} {
		t.Run(name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			s := sleeper(t)
			session := login("bob", "pts/70", s.Process.Pid, time.Now())
			file := x86.bytes(boot(machineBoot(t)), session)
			w := newWorld(t, file, append(file[:len(file):len(file)], tail...))
			attribute(t, w.wtmp, 0x20) // FS_APPEND_FL
			w.start(t)
			end(t, s)
			w.loggedOut(t, "pts/70")
			w.cleaned(t, s.Process.Pid)
			w.bootHelper(t)
			b, err := os.ReadFile(w.wtmp)
			if err != nil || len(b)%x86.size != 0 || !bytes.HasPrefix(b, append(file, tail...)) {
				t.Errorf("%v; the log has %d bytes, and not those it had", err, len(b))
			}
		})
	}
}

// attribute sets a file's attribute of linux/fs.h until the end of the test. Those it has
// stay. Without FS_EXTENT_FL, ext4 would build the file anew; of a file in two pieces it
// refuses that, after it has set the attribute.
func attribute(t *testing.T, name string, flag int) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	had, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		t.Fatal(err)
	}
	set := func(flags int) error {
		return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
	}
	if err := set(had | flag); err != nil {
		t.Fatalf("the file system of %s must know the attribute %#x: %v", name, flag, err)
	}
	t.Cleanup(func() {
		if err := set(had); err != nil {
			t.Error(err)
		}
		f.Close()
	})
}

// TestLogThatTakesNothing has a log that is a link to /dev/null, to spare a card, and one
// in which another machine's program goes on. Nothing waits for them, and no boot fails.
func TestLogThatTakesNothing(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		name string
		make func(t *testing.T, w world)
	}{
		{"null", func(t *testing.T, w world) {
			if err := os.Symlink("/dev/null", w.wtmp); err != nil {
				t.Fatal(err)
			}
		}},
		{"other layout", func(t *testing.T, w world) {
			var other []rec
			for range 10 {
				other = append(other, login("eve", "pts/9", 900, now))
			}
			start := x86.bytes(boot(machineBoot(t)), login("eve", "pts/8", 800, now))
			w.write(t, w.wtmp, append(start, aarch64.bytes(other...)...))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			s := sleeper(t)
			w := newWorld(t, x86.bytes(boot(machineBoot(t)), login("bob", "pts/70", s.Process.Pid, now)), nil)
			test.make(t, w)
			d := w.start(t)
			await(t, "the start to say it", func() bool { return strings.Contains(d.logged(), "takes no records") })
			for _, pid := range []int{s.Process.Pid, 0} {
				if pid == 0 {
					s = sleeper(t)
					pid = s.Process.Pid
					w.add(t, login("bob", "pts/71", pid, time.Now()), w.utmp)
				}
				end(t, s)
				w.cleaned(t, pid)
			}
			if log := d.logged(); strings.Count(log, "takes no records") != 1 || strings.Contains(log, "owed") {
				t.Error("want it said once, and nothing owed")
			}
			w.bootHelper(t)
			w.bootHelper(t)
		})
	}
}

// TestLogRefuses has a log that nobody may change (chattr +i). utmpctl boot fails, but
// STATE_DIR knows the crash from then on.
func TestLogRefuses(t *testing.T) {
	if !enter(t) {
		return
	}
	w := noted(t, x86.bytes(boot(on("2024-11-20 15:00:00"))), "2024-11-20 15:00:00", "2024-11-20 18:00:00", "1m0s", "running")
	attribute(t, w.wtmp, 0x10) // FS_IMMUTABLE_FL
	if out, err := exec.Command(utmpctl, "boot", "-config", w.conf).CombinedOutput(); err == nil {
		t.Errorf("utmpctl boot succeeds:\n%s", out)
	}
	h, _ := downtime(t, "-config", w.conf)
	h.was(t, "2024-11-20 15:00:00", "2024-11-20 18:00:00", "crashed")
}
