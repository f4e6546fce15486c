// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// crowd is a large number of sessions that end at the same time.
type crowd struct {
	*lineProgram
	size int
}

// startCrowd starts the given number of processes and writes their sessions to
// both files.
func startCrowd(t *testing.T, size int) *crowd {
	t.Helper()
	c := &crowd{startLines(t, exec.Command(compile(t, "crowd"), fmt.Sprint(size))), size}
	var logins []utmpx.Record
	for i, word := range c.until(t, "alive") {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		logins = append(logins, utmpx.Record{
			Type: utmpx.UserProcess, PID: int32(pid), Line: fmt.Sprintf("c/%d", i), ID: strconv.FormatInt(int64(i), 36),
			User: "alice", Time: utmpx.TimeOf(time.Now()),
		})
	}
	appendRecords(t, wtmpFile, logins...)
	appendRecords(t, utmpFile, logins...)
	return c
}

// die kills all processes and returns when they have been reaped.
func (c *crowd) die(t *testing.T) {
	t.Helper()
	if _, err := c.stdin.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	c.until(t, "dead")
}

// marked returns how many of the crowd's records are marked as dead.
func (c *crowd) marked(t *testing.T) int {
	t.Helper()
	n := 0
	for _, r := range records(t, utmpFile) {
		if r.Type == utmpx.DeadProcess && len(r.Line) > 1 && r.Line[:2] == "c/" {
			n++
		}
	}
	return n
}

// checkLogouts checks that each login of the crowd has one logout.
func (c *crowd) checkLogouts(t *testing.T) {
	t.Helper()
	n := make(map[string]int)
	for _, r := range records(t, wtmpFile) {
		if r.Type == utmpx.DeadProcess {
			n[r.Line]++
		}
	}
	var wrong []string
	for i := range c.size {
		if line := fmt.Sprintf("c/%d", i); n[line] != 1 {
			wrong = append(wrong, fmt.Sprintf("%d for %s", n[line], line))
		}
	}
	if len(wrong) > 0 {
		t.Errorf("%d lines do not have exactly one logout in wtmp: %q", len(wrong), wrong[:min(10, len(wrong))])
	}
	if len(n) != c.size {
		t.Errorf("wtmp holds logouts for %d lines, want %d", len(n), c.size)
	}
}

// lockWait is how long utmpd waits for the lock on wtmp at one attempt.
const lockWait = 3 * time.Second

// TestCrowdBehindLock checks that utmpd waits in vain for a lock on wtmp once for
// all dead sessions, not once for each batch of them.
func TestCrowdBehindLock(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	const size = 3000
	c := startCrowd(t, size)
	d := startUtmpd(t)
	statusSays(t, fmt.Sprintf("watched: %d", size))
	holder, release := readLock(t, wtmpFile)
	c.die(t)
	died := time.Now()
	d.waitLog(t, "cleaning waits", fmt.Sprintf("holder=%d", holder), "user=alice")
	waitFor(t, 2*generous, "the crowd to be marked", func() bool { return c.marked(t) == size })
	took := time.Since(died)
	t.Logf("all were marked after %v", took)
	// The grace period, the first wait that fails, the patience, and two waits of
	// batches that asked for wtmp just before the patience ended.
	if most := grace + patience + 3*lockWait + slow; took > most {
		t.Errorf("utmpd marked the records %v after the deaths, want at most %v", took, most)
	}
	statusSays(t, fmt.Sprintf("logouts owed: %d", size))
	release()
	statusSays(t, "logouts owed: 0")
	c.checkLogouts(t)
}

// held is a period in which a file was locked, as seen from outside.
type held struct {
	most  time.Duration // an upper bound: between two probes that found it free
	blind time.Duration // the longest gap between probes in it
}

// spy probes the lock of a file as often as it can and records how long each
// lock was held.
type spy struct {
	fd     int
	locked bool
	free   time.Time // when it was last seen free
	looked time.Time
	blind  time.Duration
	held   []held
}

func newSpy(t *testing.T, name string) *spy {
	t.Helper()
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	now := time.Now()
	return &spy{fd: fd, free: now, looked: now}
}

// look asks the kernel whether a write lock would be granted. It uses a raw
// system call, so that Go's scheduler does not run between two probes.
func (s *spy) look() {
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	before := time.Now()
	_, _, errno := unix.RawSyscall(unix.SYS_FCNTL, uintptr(s.fd), unix.F_OFD_GETLK, uintptr(unsafe.Pointer(&lock)))
	if errno != 0 {
		panic(errno)
	}
	now := time.Now()
	gap := now.Sub(s.looked)
	switch locked := lock.Type != unix.F_UNLCK; {
	case locked && !s.locked:
		s.locked, s.blind = true, gap
	case locked:
		s.blind = max(s.blind, gap)
	case s.locked:
		s.locked = false
		s.held = append(s.held, held{most: now.Sub(s.free), blind: max(s.blind, gap)})
		s.free = before
	default:
		s.free = before
	}
	s.looked = now
}

// realTime gives this thread and the processes it starts priority over all
// ordinary ones, so that the measurement does not include time in which other
// processes ran.
func realTime(t *testing.T) {
	t.Helper()
	attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}
	if err := unix.SchedSetAttr(0, attr, 0); err != nil {
		t.Logf("no real-time priority for utmpd: %v", err)
	}
}

// TestLockTimes checks that utmpd holds each lock for less than 5 ms while 10,000
// sessions end, with a few hundred records to a lock. It observes the locks from
// outside, by asking the kernel all the time, and reports the longest. One in
// twenty may take longer, because a write may have to wait for the disk.
func TestLockTimes(t *testing.T) {
	if !enterAlone(t, bookworm) {
		return
	}
	const (
		size   = 10_000
		most   = 5 * time.Millisecond
		unseen = time.Millisecond // a lock with a longer gap between probes is not counted
	)
	c := startCrowd(t, size)
	// With the default grace period, some sessions would be cleaned while others
	// still die.
	configure(t, fmt.Sprintf("MAX_FDS=%d", size+100), "GRACE_PERIOD=3")
	runtime.LockOSThread() // never unlocked: the thread ends with its priority
	realTime(t)
	d := startUtmpdAs(t, nil)
	statusSays(t, fmt.Sprintf("watched: %d", size))
	c.die(t)
	began := time.Now()
	spies := []*spy{newSpy(t, utmpFile), newSpy(t, wtmpFile)}
	last := utmpx.Native().Size() * size // where the last record's type is, after BOOT_TIME
	for looks := 0; ; looks++ {
		for _, s := range spies {
			s.look()
		}
		if looks%1000 == 0 && typeAt(t, last) == utmpx.DeadProcess && !spies[0].locked && c.marked(t) == size {
			break
		}
		if time.Since(began) > generous {
			t.Fatalf("%d records are marked after %v", c.marked(t), generous)
		}
	}
	for i, name := range []string{utmpFile, wtmpFile} {
		var times []time.Duration
		long := 0
		for _, h := range spies[i].held {
			if h.blind > unseen {
				continue
			}
			times = append(times, h.most)
			if h.most > most {
				long++
			}
		}
		if len(times) < size/256/2 {
			t.Errorf("%s: only %d of %d locks were measured well", name, len(times), len(spies[i].held))
			continue
		}
		slices.Sort(times)
		t.Logf("%s: %d locks seen, %d of them measured well: median %v, longest %v", name, len(spies[i].held), len(times), times[len(times)/2], times[len(times)-1])
		if long > len(times)/20 {
			t.Errorf("%s: %d of %d locks were held for longer than %v", name, long, len(times), most)
		}
	}
	t.Logf("all were marked %v after the last died", time.Since(began))
	c.checkLogouts(t)
	d.stop(t)
}

// typeAt returns the type of the record at an offset of utmp.
func typeAt(t *testing.T, off int) utmpx.Type {
	t.Helper()
	f, err := os.Open(utmpFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := utmpx.Native()
	b := make([]byte, l.Size())
	if _, err := f.ReadAt(b, int64(off)); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return l.Decode(string(b)).Type
}
