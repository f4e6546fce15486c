// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// kernelAtLeast reports whether the running kernel has that version or a later
// one.
func kernelAtLeast(t testing.TB, major, minor int) bool {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	words := strings.FieldsFunc(unix.ByteSliceToString(name.Release[:]), func(r rune) bool { return r < '0' || r > '9' })
	a, _ := strconv.Atoi(words[0])
	b, _ := strconv.Atoi(words[1])
	return a > major || a == major && b >= minor
}

func open(t testing.TB, pid int32) *Process {
	t.Helper()
	p, err := Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestOpenFindID(t *testing.T) {
	c := start(t, "exit:0")
	opened := open(t, c.pid()).ID()
	found, err := Find(c.pid())
	if err != nil {
		t.Fatal(err)
	}
	if opened.PID != c.pid() || opened.Start == 0 || (opened.Inode != 0) != kernelAtLeast(t, 6, 9) {
		t.Errorf("opened: %+v, want pid %d with a start and, since Linux 6.9, an inode", opened, c.pid())
	}
	if want := (session.ID{PID: c.pid(), Start: opened.Start}); found.ID() != want {
		t.Errorf("found: %+v, want %+v", found.ID(), want)
	}
	if again := open(t, c.pid()).ID(); again != opened {
		t.Errorf("opened again: %+v, want %+v", again, opened)
	}
}

func TestEnd(t *testing.T) {
	for _, test := range []struct {
		name   string
		kind   string
		signal unix.Signal
		want   session.Status
	}{
		{"exits with 0", "exit:0", 0, session.Status{Known: true}},
		{"exits with 3", "exit:3", 0, session.Status{Known: true, Wait: 3 << 8}},
		{"is killed", "exit:0", unix.SIGKILL, session.Status{Known: true, Wait: 9}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := start(t, test.kind)
			opened := open(t, c.pid())
			found, err := Find(c.pid())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []*Process{opened, found} {
				wantEnded(t, "alive", p, false, false)
				wantUnknown(t, "alive", p)
			}
			c.end(t, test.signal)
			for _, p := range []*Process{opened, found, open(t, c.pid())} {
				wantEnded(t, "zombie", p, true, false)
			}
			for _, p := range []*Process{opened, found} {
				// Without CAP_SYS_PTRACE an exit status of 0 stays unknown.
				got := p.Status()
				if got != test.want && (got.Known || mayTraceAll()) {
					t.Errorf("zombie: Status() = %v, want %v", got, test.want)
				}
			}
			c.Wait()
			wantReaped(t, opened, found, test.want)
		})
	}
}

// wantReaped checks what a Process from Open and one from Find report of a
// process that was reaped.
func wantReaped(t *testing.T, opened, found *Process, status session.Status) {
	t.Helper()
	wantEnded(t, "reaped, from Open", opened, true, kernelAtLeast(t, 6, 9))
	wantEnded(t, "reaped, from Find", found, true, true)
	if !kernelAtLeast(t, 6, 15) {
		status = session.Status{}
	}
	if got := opened.Status(); got != status {
		t.Errorf("reaped, from Open: Status() = %v, want %v", got, status)
	}
	wantUnknown(t, "reaped, from Find", found)
	for name, get := range map[string]func(int32) (*Process, error){"Open": Open, "Find": Find} {
		if _, err := get(opened.ID().PID); !errors.Is(err, ErrGone) {
			t.Errorf("reaped: %s: %v, want %v", name, err, ErrGone)
		}
	}
}

func wantEnded(t *testing.T, when string, p *Process, ended, reaped bool) {
	t.Helper()
	if gotEnded, gotReaped := p.Ended(); gotEnded != ended || gotReaped != reaped {
		t.Errorf("%s: Ended() = %v, %v, want %v, %v", when, gotEnded, gotReaped, ended, reaped)
	}
}

func wantUnknown(t *testing.T, when string, p *Process) {
	t.Helper()
	if got := p.Status(); got.Known {
		t.Errorf("%s: Status() = %v, want unknown", when, got)
	}
}

// TestStatusZeroUnseen checks that an exit code of 0 read from a zombie is
// unknown if the process was never seen with ptrace access: without it, any
// exit code reads 0.
func TestStatusZeroUnseen(t *testing.T) {
	c := start(t, "exit:0")
	p := open(t, c.pid())
	p.peek = false
	c.end(t, 0)
	if got := p.Status(); got.Known {
		t.Errorf("Status() = %v, want unknown", got)
	}
}

func TestLeaderGoneThreadsLive(t *testing.T) {
	c := start(t, "leaderless")
	if s, err := readStat(c.pid()); err != nil || s.state != 'Z' || s.threads < 2 {
		t.Fatalf("the child is not in state Z with other threads: %+v, %v", s, err)
	}
	opened := open(t, c.pid())
	found, err := Find(c.pid())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*Process{opened, found} {
		if ended, _ := p.Ended(); ended {
			t.Error("Ended() = true while threads still run")
		}
		wantUnknown(t, "threads still run", p)
	}
	c.stdin.Close()
	c.Wait()
	for _, p := range []*Process{opened, found} {
		if ended, _ := p.Ended(); !ended {
			t.Error("Ended() = false after the last thread exited")
		}
	}
	if got, want := opened.Status(), (session.Status{Known: true, Wait: 7 << 8}); kernelAtLeast(t, 6, 15) && got != want {
		t.Errorf("Status() = %v, want %v", got, want)
	}
}

func TestReusedPID(t *testing.T) {
	c := start(t, "exit:0")
	p, err := Find(c.pid())
	if err != nil {
		t.Fatal(err)
	}
	p.id.Start-- // as if p were an earlier process with the same pid
	wantEnded(t, "another process has the pid", p, true, true)
}

func TestNoProcess(t *testing.T) {
	for _, test := range []struct {
		name string
		pid  int32
	}{
		{"zero", 0},
		{"negative", -1},
		{"least", math.MinInt32},
		{"beyond pid_max", math.MaxInt32},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Open(test.pid); !errors.Is(err, ErrGone) {
				t.Errorf("Open: %v, want %v", err, ErrGone)
			}
			if _, err := Find(test.pid); !errors.Is(err, ErrGone) {
				t.Errorf("Find: %v, want %v", err, ErrGone)
			}
		})
	}
}

// TestSessionWithoutLeader checks that the pid of a dead session leader is no
// process, although the session id stays in use while there are members.
func TestSessionWithoutLeader(t *testing.T) {
	c := start(t, "headless", func(cmd *exec.Cmd) { cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true} })
	if _, err := c.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(int(-c.pid()), 0); err != nil {
		t.Fatalf("the session has no members: %v", err)
	}
	if _, err := Open(c.pid()); !errors.Is(err, ErrGone) {
		t.Errorf("Open: %v, want %v", err, ErrGone)
	}
	if _, err := Find(c.pid()); !errors.Is(err, ErrGone) {
		t.Errorf("Find: %v, want %v", err, ErrGone)
	}
	c.stdin.Close()
	io.Copy(io.Discard, c.out) // until the member has exited
}

// TestOpenError checks all errors of pidfd_open(2). Kernels return the same one
// for a thread's id and for the id of a session without a leader.
func TestOpenError(t *testing.T) {
	self := int32(os.Getpid())
	for _, test := range []struct {
		name string
		pid  int32
		err  error
		want error
	}{
		{"gone", self, unix.ESRCH, ErrGone},
		{"missing", self, unix.ENOSYS, ErrNoPidfd},
		{"forbidden", self, unix.EPERM, ErrNoPidfd},
		{"full", self, unix.EMFILE, unix.EMFILE},
		{"a thread, before Linux 6.15", self, unix.EINVAL, unix.EINVAL},
		{"a thread", self, unix.ENOENT, unix.ENOENT},
		{"a session without its leader, before Linux 6.15", math.MaxInt32, unix.EINVAL, ErrGone},
		{"a session without its leader", math.MaxInt32, unix.ENOENT, ErrGone},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := openError(test.pid, test.err); !errors.Is(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestThreadNumber(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tid := int32(unix.Gettid())
	for done := make(chan struct{}); tid == int32(os.Getpid()); { // this is the first thread
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			tid = int32(unix.Gettid())
			close(done)
		}()
		<-done
	}
	if _, err := Open(tid); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("Open: %v, want an error other than ErrGone: the thread lives", err)
	}
	p, err := Find(tid)
	if err != nil {
		t.Fatal(err)
	}
	if ended, _ := p.Ended(); ended {
		t.Error("Ended() = true for a living thread")
	}
}

func TestPidfdForbidden(t *testing.T) {
	for _, test := range []struct {
		name  string
		errno unix.Errno
	}{
		{"by seccomp", unix.EPERM},
		{"missing", unix.ENOSYS},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := command("forbidden:" + strconv.Itoa(int(test.errno)))
			out, err := cmd.CombinedOutput()
			if want := "true true <nil>\n"; string(out) != want || err != nil {
				t.Errorf("the child printed %q, error %v, want %q", out, err, want)
			}
		})
	}
}

// TestForbiddenSignal checks that a process that may not be signalled counts as
// alive.
func TestForbiddenSignal(t *testing.T) {
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Geteuid() == 0 {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			const nobody = 65534
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
				err = errno
				return
			}
		}
		if got := unix.Kill(1, 0); got != unix.EPERM {
			err = fmt.Errorf("kill(1, 0): %v, want %v", got, unix.EPERM)
			return
		}
		_, err = Find(1)
	}()
	<-done
	if err != nil {
		t.Error(err)
	}
}

func TestNoDescriptors(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := before
	none.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
	if _, err := Open(int32(os.Getpid())); !errors.Is(err, unix.EMFILE) {
		t.Errorf("Open: %v, want %v", err, unix.EMFILE)
	}
	if p, err := Find(int32(os.Getpid())); err != nil {
		t.Errorf("Find: %v", err)
	} else if ended, _ := p.Ended(); ended {
		t.Error("Ended() = true for this process")
	}
}

func BenchmarkOpen(b *testing.B) {
	pid := int32(os.Getpid())
	b.ReportAllocs()
	for b.Loop() {
		p, err := Open(pid)
		if err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
}
