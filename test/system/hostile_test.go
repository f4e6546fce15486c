// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// In each of these tests something is hostile: an ordinary user, a member of the
// group utmp, or a careless root. Meanwhile one session lives and must not be
// touched, and one dies and must be cleaned, at once or when the obstacle is gone.
// utmpd must report the problem, must not hang, and must stay small.

// parallel lets the parts of a test run alongside other tests.
func parallel(t *testing.T) {
	if !inside() {
		t.Parallel()
	}
}

// memoryLimit is the peak memory allowed for utmpd, in kB.
const memoryLimit = 100 << 10

// pair is two sessions that utmpd watches.
type pair struct {
	d           *utmpd
	lives, dies *dweller
}

// beside starts utmpd and the two sessions.
func beside(t *testing.T, keys ...string) *pair {
	t.Helper()
	p := &pair{d: startUtmpd(t, keys...)}
	p.sessions(t)
	return p
}

// sessions starts the two sessions.
func (p *pair) sessions(t *testing.T) {
	t.Helper()
	p.lives, p.dies = dwell(t, "x/1"), dwell(t, "x/2")
	p.lives.watched(t, p.d)
	p.dies.watched(t, p.d)
}

// mustHold checks that the dead session is cleaned and the living one untouched,
// that the next session is seen and cleaned as well, and that utmpd stayed small.
func (p *pair) mustHold(t *testing.T, died death) {
	t.Helper()
	p.dies.mustGo(t, died)
	p.lives.mustStand(t)
	next := dwell(t, "x/3")
	next.watched(t, p.d)
	next.mustGo(t, next.kill(t))
	p.d.mustBeSmall(t, memoryLimit)
	p.d.stop(t)
}

// mustBeSmall checks the peak memory of utmpd, in kB.
func (d *utmpd) mustBeSmall(t *testing.T, limit int) {
	t.Helper()
	if got := field(t, d.cmd.Process.Pid, "VmHWM"); got > limit {
		t.Errorf("utmpd had %d kB in memory, more than %d", got, limit)
	}
}

// field returns a number from /proc/PID/status.
func field(t *testing.T, pid int, key string) int {
	t.Helper()
	for line := range strings.Lines(string(readFile(t, fmt.Sprintf("/proc/%d/status", pid)))) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("the status of process %d has no %s", pid, key)
	return 0
}

// answers checks that utmpd does not hang: it waits until utmpd has read its
// settings again.
func (d *utmpd) answers(t *testing.T) {
	t.Helper()
	n := strings.Count(d.logged(), "configuration read again")
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, generous, "utmpd to answer SIGHUP", func() bool {
		return strings.Count(d.logged(), "configuration read again") > n
	})
}

// slotOf returns the slot of a record in utmp.
func slotOf(t *testing.T, entry utmpx.Record) int {
	t.Helper()
	for i, r := range records(t, utmpFile) {
		if r == entry {
			return i
		}
	}
	t.Fatalf("utmp does not hold %v", entry)
	return 0
}

// slot reads one record, for files that are too long to read whole.
func slot(t *testing.T, i int) utmpx.Record {
	t.Helper()
	f, err := os.Open(utmpFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, utmpx.Native().Size())
	if _, err := f.ReadAt(b, int64(i*len(b))); err != nil {
		t.Fatal(err)
	}
	return utmpx.Native().Decode(string(b))
}

// mustDie waits until a slot holds a dead process.
func mustDie(t *testing.T, i int) {
	t.Helper()
	waitFor(t, generous, fmt.Sprintf("slot %d to be cleaned", i), func() bool { return slot(t, i).Type == utmpx.DeadProcess })
}

// encode returns a record's bytes.
func encode(t *testing.T, r utmpx.Record) []byte {
	t.Helper()
	b, err := utmpx.Native().Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// user is a session record that a member of the group utmp can write.
func user(line string, pid int) utmpx.Record {
	return utmpx.Record{Type: utmpx.UserProcess, PID: int32(pid), Line: line, User: "mallory", Host: "nowhere", Time: utmpx.TimeOf(time.Now())}
}

// write writes bytes into a file at an offset; -1 appends them.
func write(t *testing.T, name string, offset int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if offset < 0 {
		if offset, err = f.Seek(0, 2); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.WriteAt(b, offset); err != nil {
		t.Fatal(err)
	}
}

// exchange swaps two names atomically, so that the file is never missing.
func exchange(t *testing.T, a, b string) {
	t.Helper()
	if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
		t.Fatal(err)
	}
}

// TestHostilePath checks other kinds of files at utmp's path.
func TestHostilePath(t *testing.T) {
	parallel(t)
	const other = utmpFile + ".other"
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, says string
		make       func(*testing.T)
	}{
		{"a user's link", "symbolic link that is not root's", func(t *testing.T) {
			writeLog(t, "/tmp/fake", readFile(t, utmpFile))
			must(t, os.Symlink("/tmp/fake", other))
			must(t, os.Lchown(other, 1000, 1000))
		}},
		{"root's link to nothing good", "not a regular file but a device", func(t *testing.T) { must(t, os.Symlink("/dev/zero", other)) }},
		{"a link to itself", "too many", func(t *testing.T) { must(t, os.Symlink(utmpFile, other)) }},
		{"a directory", "but a directory", func(t *testing.T) { must(t, os.Mkdir(other, 0o755)) }},
		{"a FIFO", "but a FIFO", func(t *testing.T) { must(t, unix.Mkfifo(other, 0o664)) }},
		{"a device", "but a device", func(t *testing.T) { must(t, makeDevice(other, 1, 5)) }},
		{"no records", "not session records", func(t *testing.T) {
			writeLog(t, other, bytes.Repeat([]byte("all work and no play\n"), 10000))
		}},
		{"less than a record", "shorter than a record", func(t *testing.T) { writeLog(t, other, []byte("short")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			p := beside(t)
			c.make(t)
			exchange(t, utmpFile, other)
			p.d.waitLog(t, "cannot read the utmpx file", c.says)
			died := p.dies.kill(t)
			holds(t, grace+time.Second, "utmpd without its file", func() bool { return running() != 0 })
			p.d.answers(t)
			exchange(t, utmpFile, other)
			p.mustHold(t, died)
			p.d.waitLog(t, "the utmpx file can be read")
		})
	}
}

// TestHostileSize checks a sparse utmp of one terabyte. Deaths are cleaned
// throughout.
func TestHostileSize(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	p := beside(t)
	at := slotOf(t, p.dies.entry)
	size := int64(len(readFile(t, utmpFile)))
	if err := os.Truncate(utmpFile, 1<<40); err != nil {
		t.Fatal(err)
	}
	p.d.waitLog(t, "the utmpx file is too long", "65536 records")
	died := p.dies.kill(t)
	mustDie(t, at)
	p.d.answers(t)
	if err := os.Truncate(utmpFile, size); err != nil {
		t.Fatal(err)
	}
	// The long file is read seldom. Until then utmpd may know a session by its login in wtmp.
	p.d.waitLog(t, "the utmpx file can be read")
	p.mustHold(t, died)
}

// TestHostileMillion checks a million forged sessions with holes between them.
func TestHostileMillion(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	p := beside(t)
	at := slotOf(t, p.dies.entry)
	before := int64(len(readFile(t, utmpFile)))
	const block, blocks = 10000, 100
	var b []byte
	for i := range block {
		b = append(b, encode(t, user(fmt.Sprintf("m/%d", i), os.Getpid()))...)
	}
	for i := range blocks {
		write(t, utmpFile, before+int64(i)*int64(len(b)+100*utmpx.Native().Size()), b)
	}
	p.d.waitLog(t, "the utmpx file is too long", "65536 records")
	died := p.dies.kill(t)
	mustDie(t, at)
	p.d.answers(t)
	if err := os.Truncate(utmpFile, before); err != nil {
		t.Fatal(err)
	}
	p.d.waitLog(t, "the utmpx file can be read")
	p.dies.mustGo(t, died)
	p.lives.mustStand(t)
	next := dwell(t, "x/3")
	next.watched(t, p.d)
	next.mustGo(t, next.kill(t))
	p.d.mustBeSmall(t, 400<<10)
	p.d.stop(t)
}

// TestHostileFlicker checks a record that alternates ten thousand times a second
// between two living sessions.
func TestHostileFlicker(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	p := beside(t)
	size := int64(len(readFile(t, utmpFile)))
	write(t, utmpFile, -1, encode(t, user("f/1", os.Getpid())))
	stop, changes := make(chan struct{}), make(chan int)
	states := [][]byte{encode(t, user("f/1", os.Getpid())), encode(t, user("f/1", os.Getppid()))}
	f, err := os.OpenFile(utmpFile, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	go func() {
		n := 0
		defer func() { changes <- n }()
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			for range 10 {
				f.WriteAt(states[n%2], size)
				n++
			}
		}
	}()
	began, used := time.Now(), cpuTime(t, p.d.cmd.Process.Pid)
	died := p.dies.kill(t)
	p.dies.mustGo(t, died)
	holds(t, 2*time.Second, "utmpd beside a record that flickers", func() bool { return running() != 0 })
	took, used := time.Since(began), cpuTime(t, p.d.cmd.Process.Pid)-used
	close(stop)
	n := <-changes
	t.Logf("%d changes in %v; utmpd took %v of it", n, took, used)
	if used > took/2 {
		t.Errorf("utmpd was busy for %v of %v", used, took)
	}
	p.mustHold(t, died)
}

// cpuTime returns the processor time of a process.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat := string(readFile(t, fmt.Sprintf("/proc/%d/stat", pid)))
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	ticks := 0
	for _, s := range f[11:13] {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
