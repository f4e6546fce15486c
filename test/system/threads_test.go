// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNoMoreThreads checks that utmpd works on where the system lets it make no more
// threads, while both files are locked and sessions end.
func TestNoMoreThreads(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	makeUser(t)
	d := startUtmpd(t, "RUN_AS="+ownUser, "WTMPX_UPDATE_FREQ=1", "SCAN_PERIOD=1")
	var all []*dweller
	for i := range 8 {
		w := dwell(t, fmt.Sprintf("x/%d", i))
		w.watched(t, d)
		all = append(all, w)
	}
	limit := exec.Command("prlimit", "--pid", fmt.Sprint(d.cmd.Process.Pid), "--nproc=1:1")
	limit.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ownUID, Gid: ownUID}}
	if out, err := limit.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	var unlock []func()
	for _, name := range []string{utmpFile, wtmpFile} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lock := unix.Flock_t{Type: unix.F_RDLCK}
		if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
			t.Fatal(err)
		}
		unlock = append(unlock, func() { f.Close() })
	}
	for _, w := range all {
		w.kill(t)
	}
	holds(t, 5*time.Second, "utmpd runs", func() bool {
		select {
		case <-d.done:
			return false
		default:
			return true
		}
	})
	for _, f := range unlock {
		f()
	}
	for _, w := range all {
		waitFor(t, generous, "who to stop showing "+w.entry.Line, func() bool { return !whoShows(t, w.entry.Line) })
	}
	d.stop(t)
}
