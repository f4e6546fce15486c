// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package libc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

var (
	session = utmpx.Record{Type: utmpx.UserProcess, ID: "ts/0", Line: "pts/0", User: "alice", PID: 7, Time: utmpx.Time{Sec: start + 1}}
	another = utmpx.Record{Type: utmpx.UserProcess, ID: "ts/1", Line: "pts/1", User: "bob", PID: 8, Time: utmpx.Time{Sec: start + 2}}
)

// hold locks a file with this project's code until release is called.
func hold(t *testing.T, name string, kind sysfile.LockKind) (release func()) {
	t.Helper()
	h, err := sysfile.Kernel().Open(name, sysfile.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.TryLock(kind); err != nil {
		h.Close()
		t.Fatal(err)
	}
	released := false
	release = func() {
		if !released {
			released = true
			h.Close()
		}
	}
	t.Cleanup(release)
	return release
}

// untilWaited returns when a process waits for a lock on the file.
func untilWaited(t *testing.T, name string) {
	t.Helper()
	const soon = 10 * time.Second // libc itself gives up after that
	for end := time.Now().Add(soon); !waited(t, name); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody waits for the lock")
		}
	}
}

// waited reports whether a process waits for a lock on the file, according to the kernel's
// list.
func waited(t *testing.T, name string) bool {
	t.Helper()
	info, err := sysfile.Kernel().Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	// 1: -> POSIX  ADVISORY  WRITE 4711 fe:00:123456 0 EOF
	inode := fmt.Sprintf(":%d ", info.Generation.Ino)
	for line := range strings.Lines(string(locks)) {
		if strings.Contains(line, inode) && strings.Contains(line, " -> ") {
			return true
		}
	}
	return false
}

// TestLibcWaitsForUs checks that libc waits for a lock of this code and continues when it is
// released.
func TestLibcWaitsForUs(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		for _, c := range []struct {
			name    string
			kind    sysfile.LockKind
			command string
			waits   bool
		}{
			{"write lock stops pututxline", sysfile.WriteLock, "put", true},
			{"write lock stops updwtmpx", sysfile.WriteLock, "log", true},
			{"write lock stops getutxent", sysfile.WriteLock, "all", true},
			{"read lock stops pututxline", sysfile.ReadLock, "put", true},
			{"read lock stops updwtmpx", sysfile.ReadLock, "log", true},
			{"read lock leaves getutxent", sysfile.ReadLock, "all", false},
		} {
			t.Run(c.name, func(t *testing.T) {
				before, in := encode(t, m.layout, boot, session), encode(t, m.layout, another)
				file, out := append(before[:len(before):len(before)], in...), []byte(nil)
				if c.command == "all" {
					in, file, out = nil, before, before
				}
				name := create(t, before)
				release := hold(t, name, c.kind)
				p := m.start(t, c.command, name)
				if _, err := p.in.Write(in); err != nil && len(in) > 0 {
					t.Fatal(err)
				}
				p.in.Close()
				if c.waits {
					untilWaited(t, name)
					sameBytes(t, m.layout, "file under the lock", content(t, name), before)
					release()
				}
				got, err := io.ReadAll(p.out)
				if err := errors.Join(err, p.wait()); err != nil {
					t.Fatal(err)
				}
				sameBytes(t, m.layout, "output", got, out)
				sameBytes(t, m.layout, "file afterwards", content(t, name), file)
			})
		}
	})
}

// TestWeWaitForLibc checks that this code waits for a lock of a C program, names it, and
// continues when it is released.
func TestWeWaitForLibc(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		t.Run("write lock", func(t *testing.T) { m.weWait(t, "write") })
		t.Run("read lock", func(t *testing.T) { m.weWait(t, "read") })
	})
}

func (m machine) weWait(t *testing.T, kind string) {
	before := encode(t, m.layout, boot, session)
	name := create(t, before)
	f, l := recfile.NewFile(name, m.options()), recfile.NewLog(name, m.options())
	s, err := f.Snapshot(nil)
	if err != nil {
		t.Fatal(err)
	}
	swap := []recfile.Swap{{Slot: 1, Old: s.Record(1), New: another}}
	swapIt := func(ctx context.Context) error { _, err := f.Swap(ctx, s.Generation(), swap); return err }
	compare := func(ctx context.Context) error { _, err := f.Compare(ctx, s.Generation(), swap); return err }

	p := m.start(t, "hold", name, kind)
	if said, err := bufio.NewReader(p.out).ReadString('\n'); said != "locked\n" {
		t.Fatalf("it says %q, %v: %v", said, err, p.wait())
	}
	p.mustStop(t, "Put", func(ctx context.Context) error { _, err := f.Put(ctx, session); return err })
	p.mustStop(t, "Append", func(ctx context.Context) error { return l.Append(ctx, another) })
	p.mustStop(t, "Swap", swapIt)
	if kind == "write" {
		p.mustStop(t, "Compare", compare)
	} else if err := compare(t.Context()); err != nil {
		t.Error(err)
	}
	if got, ok, err := f.Holder(); int(got) != p.Process.Pid || !ok || err != nil {
		t.Errorf("Holder() = %d, %v, %v, want %d", got, ok, err, p.Process.Pid)
	}
	if now, err := f.Snapshot(s); now != s || err != nil {
		t.Errorf("a reader without a lock finds another file: %v", err)
	}
	sameBytes(t, m.layout, "file under the lock", content(t, name), before)

	done := make(chan error, 1)
	go func() { done <- swapIt(t.Context()) }()
	untilWaited(t, name)
	if err := errors.Join(p.wait(), <-done); err != nil {
		t.Fatal(err)
	}
	sameBytes(t, m.layout, "file afterwards", content(t, name), encode(t, m.layout, boot, another))
}

// mustStop makes a call with an expired context, which the process's lock must stop.
func (p *process) mustStop(t *testing.T, name string, call func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var locked *recfile.LockedError
	if err := call(ctx); !errors.As(err, &locked) {
		t.Errorf("%s: %v, want a LockedError", name, err)
	} else if int(locked.PID) != p.Process.Pid {
		t.Errorf("%s: locked by %d, want %d", name, locked.PID, p.Process.Pid)
	}
}
