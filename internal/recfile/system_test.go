// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/sysfile"
)

// opener opens the file f of a world for the rest of a test.
func opener(t *testing.T, w world) func(mode sysfile.OpenMode) sysfile.Handle {
	return func(mode sysfile.OpenMode) sysfile.Handle {
		t.Helper()
		h, err := w.System().Open(w.Path("f"), mode)
		check(t, err)
		t.Cleanup(func() { h.Close() })
		return h
	}
}

// wantContent checks what a handle reads from the beginning of its file.
func wantContent(t *testing.T, h sysfile.Handle, want string) {
	t.Helper()
	p := make([]byte, 30)
	n, err := h.ReadAt(p, 0)
	if string(p[:n]) != want || err != io.EOF {
		t.Errorf("ReadAt: %q, %v, want %q and EOF", p[:n], err, want)
	}
}

// wantWritten checks the result of a write of want bytes, or of one that must fail if
// want is 0.
func wantWritten(t *testing.T, what string, n int, err error, want int) {
	t.Helper()
	if n != want || (err == nil) != (want > 0) {
		t.Errorf("%s: %d, %v, want %d", what, n, err, want)
	}
}

// The tests below compare the simulated system with the kernel, call by call.

func TestSystemMissing(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		if _, err := w.System().Open(w.Path("f"), sysfile.ReadWrite); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open of a missing file: %v", err)
		}
		if _, err := w.System().Lookup(w.Path("f")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Lookup of a missing file: %v", err)
		}
	})
}

func TestSystemWrites(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "f", []byte("0123456789"))
		open := opener(t, w)
		r, rw, app := open(sysfile.ReadOnly), open(sysfile.ReadWrite), open(sysfile.AppendOnly)
		n, err := rw.WriteAt([]byte("ab"), 2)
		wantWritten(t, "WriteAt", n, err, 2)
		n, err = r.WriteAt([]byte("x"), 0)
		wantWritten(t, "WriteAt, ReadOnly", n, err, 0)
		n, err = app.WriteAt([]byte("x"), 0)
		wantWritten(t, "WriteAt, AppendOnly", n, err, 0)
		n, err = rw.WriteAt([]byte("tail"), 12)
		wantWritten(t, "WriteAt behind the end", n, err, 4)
		n, err = app.Append([]byte("end"))
		wantWritten(t, "Append", n, err, 3)
		n, err = r.Append([]byte("x"))
		wantWritten(t, "Append, ReadOnly", max(n, 0), err, 0)
		wantContent(t, r, "01ab456789\x00\x00tailend")
		if n, err := r.ReadAt(make([]byte, 30), 40); n != 0 || err != io.EOF {
			t.Errorf("ReadAt behind the end: %d, %v", n, err)
		}
		check(t, app.Truncate(4))
		if err := r.Truncate(1); err == nil {
			t.Error("Truncate, ReadOnly: no error")
		}
		wantContent(t, r, "01ab")
	})
}

func TestSystemReplaced(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "f", []byte("01ab"))
		sys, name := w.System(), w.Path("f")
		r := opener(t, w)(sysfile.ReadOnly)
		info, err := r.Info()
		check(t, err)
		if now, err := sys.Lookup(name); err != nil || info.Size != 4 || now != info {
			t.Errorf("Info %+v, Lookup %+v, %v", info, now, err)
		}
		w.Write(t, "f", []byte("new"))
		if now, err := sys.Lookup(name); err != nil || now.Generation == info.Generation {
			t.Errorf("a new file: %+v, %v", now, err)
		}
		wantContent(t, r, "01ab")
		names, err := sys.List(w.Path("."))
		if err != nil || !slices.Equal(names, []string{"f"}) {
			t.Errorf("List: %q, %v", names, err)
		}
		check(t, r.Close())
		if _, err := r.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("ReadAt of a closed file: %v", err)
		}
	})
}

// TestSystemLocks: locks of two descriptions of one process, and of another.
func TestSystemLocks(t *testing.T) {
	const (
		read  = sysfile.ReadLock
		write = sysfile.WriteLock
	)
	both(t, func(t *testing.T, w world) {
		w.Write(t, "f", []byte("x"))
		open := func() sysfile.Handle {
			h, err := w.System().Open(w.Path("f"), sysfile.ReadWrite)
			check(t, err)
			t.Cleanup(func() { h.Close() })
			return h
		}
		try := func(h sysfile.Handle, kind sysfile.LockKind, want error) {
			t.Helper()
			if err := h.TryLock(kind); !errors.Is(err, want) {
				t.Errorf("TryLock: %v, want %v", err, want)
			}
		}
		holder := func(h sysfile.Handle, kind sysfile.LockKind, wantPID int32, want bool) {
			t.Helper()
			if pid, found, err := h.Holder(kind); pid != wantPID || found != want || err != nil {
				t.Errorf("Holder = %d, %v, %v, want %d, %v", pid, found, err, wantPID, want)
			}
		}
		a, b := open(), open()
		try(a, read, nil)
		try(b, read, nil)
		try(b, write, sysfile.ErrLocked)
		holder(b, read, 0, false)
		holder(b, write, 0, true)
		check(t, a.Unlock())
		try(b, write, nil) // from shared to exclusive
		try(a, read, sysfile.ErrLocked)
		try(b, read, nil) // and back
		try(a, read, nil)
		check(t, b.Close())
		try(a, write, nil)
		check(t, a.Unlock())

		pid, unlock := w.Lock(t, "f", true)
		try(a, read, nil)
		try(a, write, sysfile.ErrLocked)
		holder(a, write, pid, true)
		check(t, a.Unlock())
		got := make(chan error)
		c := open()
		go func() { got <- c.Lock(write) }()
		unlock()
		check(t, <-got)
		try(a, read, sysfile.ErrLocked)
	})
}

// TestPOSIXLockGoesWithAnyDescriptor: the simulated processes lose theirs as
// real ones do.
func TestPOSIXLockGoesWithAnyDescriptor(t *testing.T) {
	w := simWorld{simfile.New()}
	w.Write(t, "utmp", nil)
	other := w.s.As(9)
	a, err := other.Open(w.Path("utmp"), sysfile.ReadWrite)
	check(t, err)
	check(t, a.TryLock(sysfile.WriteLock))
	b, err := other.Open(w.Path("utmp"), sysfile.ReadOnly)
	check(t, err)
	check(t, b.Close())
	if _, held, err := open(w, "utmp").Holder(); held || err != nil {
		t.Errorf("the lock outlives a close: %v", err)
	}
	check(t, a.Close())
}

// TestAccessTimes: what SetAccessTime leaves alone.
func TestAccessTimes(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "f", []byte("x"))
		w.SetTime(t, "f", time.Unix(epoch, 0))
		h, err := w.System().Open(w.Path("f"), sysfile.ReadOnly)
		check(t, err)
		defer h.Close()
		for _, at := range []time.Time{time.Unix(1, 0), time.Unix(1<<31-1, 999_999_000)} {
			check(t, h.SetAccessTime(at))
			info, err := h.Info()
			check(t, err)
			if !info.Accessed.Equal(at) || !info.Modified.Equal(time.Unix(epoch, 0)) {
				t.Errorf("accessed %v, modified %v, want %v", info.Accessed, info.Modified, at)
			}
		}
	})
}
