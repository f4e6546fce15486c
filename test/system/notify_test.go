// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNoInotify: utmpd gets no inotify instance, since others of its user have them all. It
// sees logins all the same, and has notices again once the kernel gives one.
func TestNoInotify(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	// The limit is of a user namespace. /proc/sys is read-only here.
	const limit = "/run/proc/sys/user/max_inotify_instances"
	if err := os.MkdirAll("/run/proc", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("proc", "/run/proc", "proc", 0, ""); err != nil {
		t.Fatal(err)
	}
	configure(t, "SCAN_PERIOD=10")
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf("echo 0 >%s && exec %s -foreground -config %s", limit, utmpdBinary, configFile))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}},
	}
	d := startUtmpdBy(t, cmd)
	d.waitLog(t, "no notification of changes", "too many open files")
	waitFor(t, generous, "the status to say so", func() bool { return strings.Contains(d.statusText(t), "notification error: ") })
	w := dwell(t, "x/1")
	w.watched(t, d)
	w.mustGo(t, w.kill(t))

	raise := exec.Command("nsenter", "-t", fmt.Sprint(d.cmd.Process.Pid), "-U", "sh", "-c", "echo 16 >"+limit)
	if out, err := raise.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d.waitLog(t, "notification of changes again")
	waitFor(t, generous, "the status to say so", func() bool { return !strings.Contains(d.statusText(t), "notification error: ") })
	w = dwell(t, "x/2")
	w.watched(t, d)
	w.mustGo(t, w.kill(t))
	d.stop(t)
}
