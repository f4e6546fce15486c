// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLocksOfManyFiles checks that utmpd works on where the system lets it make no more
// threads, and as many of them as may wait for locks do: both files are locked and replaced
// again and again.
func TestLocksOfManyFiles(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	makeUser(t)
	d := startUtmpd(t, "RUN_AS="+ownUser, "WTMPX_UPDATE_FREQ=1", "SCAN_PERIOD=1", "GRACE_PERIOD=0")
	noMoreThreads(t, d.cmd.Process.Pid)
	var unlock []func()
	lock := func(name string) {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		l := unix.Flock_t{Type: unix.F_WRLCK}
		if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l); err != nil {
			t.Fatal(err)
		}
		unlock = append(unlock, func() { f.Close() })
	}
	const rounds = 6 // more than there may be waiters
	for i := range rounds {
		w := dwell(t, fmt.Sprintf("x/%d", i))
		w.watched(t, d)
		lock(utmpFile)
		lock(wtmpFile)
		before := lockWaiters(t)
		w.kill(t)
		if i < 3 { // two files, and two kinds of lock of utmp
			waitFor(t, generous, "utmpd to wait for a lock", func() bool { return lockWaiters(t) > before })
		}
		copyOver(t, utmpFile)
		copyOver(t, wtmpFile)
	}
	last := dwell(t, "x/9")
	last.watched(t, d)
	last.mustGo(t, last.kill(t))
	for _, f := range unlock {
		f()
	}
	for i := range rounds {
		line := fmt.Sprintf("x/%d", i)
		waitFor(t, generous, "who to stop showing "+line, func() bool { return !whoShows(t, line) })
	}
	d.stop(t)
}

// lockWaiters returns how many threads wait for locks of files.
func lockWaiters(t *testing.T) int {
	t.Helper()
	return strings.Count(string(readFile(t, "/proc/locks")), "->")
}

// noMoreThreads has the system refuse a process of utmpd's user another thread.
func noMoreThreads(t *testing.T, pid int) {
	t.Helper()
	limit := exec.Command("prlimit", "--pid", fmt.Sprint(pid), "--nproc=1:1")
	limit.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ownUID, Gid: ownUID}}
	if out, err := limit.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
}

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
	noMoreThreads(t, d.cmd.Process.Pid)
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

// TestNoMoreThreadsSecond checks that the second process, too, lives on where it can make no
// more threads, while the disk of wtmp hangs and utmp is replaced.
func TestNoMoreThreadsSecond(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	makeUser(t)
	disk := onDisk(t)
	if err := os.Chown(stateDir, ownUID, utmpGroup); err != nil {
		t.Fatal(err)
	}
	p := beside(t, "RUN_AS="+ownUser, "WTMPX_UPDATE_FREQ=1", "SCAN_PERIOD=1")
	second := children(p.d.cmd.Process.Pid)
	if len(second) != 1 {
		t.Fatalf("utmpd has the children %v", second)
	}
	noMoreThreads(t, p.d.cmd.Process.Pid)
	// Three sockets, one that runs Go code and one to spare, and the main thread.
	waitFor(t, generous, "the second process to have made its threads", func() bool { return threads(t, second[0]) >= 6 })
	noMoreThreads(t, second[0])
	disk.freeze(t)
	p.d.waitLog(t, "cannot update the access time of wtmpx", "has not answered for")
	copyOver(t, utmpFile)
	died := p.dies.kill(t)
	waitFor(t, generous, "utmp to be marked in spite of the disk", func() bool { return !whoShows(t, p.dies.entry.Line) })
	disk.thaw()
	p.d.waitLog(t, "pending logouts are") // written, by the call that hung perhaps
	statusSays(t, "logouts owed: 0")
	if got := children(p.d.cmd.Process.Pid); !slices.Equal(got, second) {
		t.Errorf("the second process was %v, and is %v", second, got)
	}
	p.mustHold(t, died)
}

// threads returns how many threads a process has.
func threads(t *testing.T, pid int) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
