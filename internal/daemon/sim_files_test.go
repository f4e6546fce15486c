// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"syscall"
	"time"

	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/sysfile"
)

var errKilled = errors.New("killed")

// enter is the moment before a call of utmpd's to the machine: what the
// schedule has set for it happens, and utmpd itself may die here. The world is
// locked.
func (r *simRun) enter(call simfile.Call, name string) error {
	r.w.yield()
	if r.dead {
		return errKilled
	}
	r.calls++
	r.w.before(call)
	if r.dead {
		return errKilled
	}
	if r.killAt != 0 && r.calls >= r.killAt {
		r.w.count("utmpd killed before " + string(call))
		r.kill()
		return errKilled
	}
	return r.w.faultOf(call, name)
}

// yield lets the other goroutines go on first, now and then. On one processor
// nothing else decides on their order, or nearly so. The world is locked.
func (w *simWorld) yield() {
	if w.order != nil && w.order.IntN(4) == 0 {
		w.mu.Unlock()
		runtime.Gosched()
		w.mu.Lock()
	}
}

// faultOf returns the error that a call gets now.
func (w *simWorld) faultOf(call simfile.Call, name string) error {
	now := time.Now()
	switch {
	case name == wtmpName && now.Before(w.logFailsUntil):
		if w.logError == syscall.ENOSPC && call != simfile.Append {
			return nil
		}
		switch call {
		case simfile.Open, simfile.Append, simfile.Read, simfile.Sync:
			return w.logError
		}
	case name == utmpName && now.Before(w.fileFailsUntil):
		switch call {
		case simfile.Open, simfile.Write, simfile.Read, simfile.Sync:
			return syscall.EIO
		}
	}
	return nil
}

// simFiles is the files as one run of utmpd sees them, and the guard of what is
// not utmpd's.
type simFiles struct{ *simRun }

func (s simFiles) Open(name string, mode sysfile.OpenMode) (sysfile.Handle, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if err := s.enter(simfile.Open, name); err != nil {
		return nil, err
	}
	h, err := s.w.files.Open(name, mode)
	if err != nil {
		return nil, err
	}
	sh := &simHandle{simRun: s.simRun, h: h, name: name}
	s.handles[sh] = struct{}{}
	return sh, nil
}

func (s simFiles) Lookup(name string) (sysfile.Info, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if err := s.enter(simfile.Lookup, name); err != nil {
		return sysfile.Info{}, err
	}
	return s.w.files.Lookup(name)
}

func (s simFiles) List(dir string) ([]string, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if err := s.enter(simfile.List, dir); err != nil {
		return nil, err
	}
	return s.w.files.List(dir)
}

// simHandle is a descriptor of utmpd's.
type simHandle struct {
	*simRun
	h      sysfile.Handle
	name   string
	locked bool          // for writing
	read   bool          // locked for reading
	blind  bool          // is locked and has looked at the file: what comes now is not seen before it writes
	wrote  bool          // what it was locked for
	reads  int           // under no lock
	found  []*simSession // by the last of them
	waits  bool          // for a lock
	torn   bool          // has left a part of what it was to write at the end
	whole  int           // so many whole records of it
	under  int           // how many replacements of files there had been when it was locked
}

// do makes one call, with the world standing still.
func (h *simHandle) do(call simfile.Call, f func() error) error {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if err := h.enter(call, h.name); err != nil {
		return err
	}
	return f()
}

func (h *simHandle) ReadAt(p []byte, off int64) (n int, err error) {
	err = h.do(simfile.Read, func() error {
		n, err = h.h.ReadAt(p, off)
		h.w.noteRead(h, p[:n], off)
		h.blind = h.blind || h.locked && h.name == utmpName
		return err
	})
	return n, err
}

func (h *simHandle) WriteAt(p []byte, off int64) (n int, err error) {
	err = h.do(simfile.Write, func() error {
		h.w.guardWrite(h, p, off)
		n, err = h.h.WriteAt(p, off)
		h.blind = false
		h.w.fileChanged()
		return err
	})
	return n, err
}

// Append fails, where it is to, with a part of it done, every second time.
func (h *simHandle) Append(p []byte) (n int, err error) {
	err = h.do(simfile.Append, func() error {
		h.w.guardAppend(h, p)
		n, err = h.h.Append(p)
		h.wrote, h.blind = err == nil, false
		return err
	})
	if err != nil && n == 0 {
		h.w.mu.Lock()
		defer h.w.mu.Unlock()
		if h.w.partial = !h.w.partial; h.w.partial && !h.dead && len(p) > 0 {
			part := p[:len(p)/3]
			at, _ := h.h.Info()
			gap := padding(at.Size)
			h.torn, h.whole = true, max(0, len(part)-gap)/simLayout.Size()
			if h.whole > 0 {
				h.w.guardAppend(h, part[:gap+h.whole*simLayout.Size()])
			}
			n, _ = h.h.Append(part)
		}
	}
	return n, err
}

func (h *simHandle) Truncate(size int64) error {
	return h.do(simfile.Truncate, func() error {
		h.w.guardTruncate(h, size)
		h.w.takenBack(h.whole)
		h.torn, h.whole = false, 0
		return h.h.Truncate(size)
	})
}

func (h *simHandle) TryLock(kind sysfile.LockKind) error {
	return h.do(simfile.TryLock, func() error {
		err := h.h.TryLock(kind)
		h.got(kind, err)
		return err
	})
}

// got notes that a lock is held.
func (h *simHandle) got(kind sysfile.LockKind, err error) {
	h.locked, h.read = err == nil && kind == sysfile.WriteLock, err == nil && kind == sysfile.ReadLock
	h.under = h.w.replaced
}

// Lock waits with the world going on.
func (h *simHandle) Lock(kind sysfile.LockKind) error {
	if err := h.do(simfile.Lock, func() error { h.waits = true; return nil }); err != nil {
		return err
	}
	err := h.h.Lock(kind)
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.waits = false
	if h.dead {
		_ = h.h.Close() // it had no time to
		return errKilled
	}
	h.got(kind, err)
	return err
}

func (h *simHandle) Unlock() error {
	return h.do(simfile.Unlock, func() error { h.locked, h.read, h.blind = false, false, false; return h.h.Unlock() })
}

func (h *simHandle) Holder(kind sysfile.LockKind) (pid int32, found bool, err error) {
	err = h.do(simfile.Holder, func() error { pid, found, err = h.h.Holder(kind); return err })
	return pid, found, err
}

func (h *simHandle) Info() (info sysfile.Info, err error) {
	err = h.do(simfile.Stat, func() error {
		info, err = h.h.Info()
		h.blind = h.locked && !h.wrote
		return err
	})
	return info, err
}

func (h *simHandle) SetAccessTime(t time.Time) error {
	return h.do(simfile.Utime, func() error { return h.h.SetAccessTime(t) })
}

func (h *simHandle) Sync() error {
	return h.do(simfile.Sync, func() error {
		if h.locked {
			h.w.broken("3: a lock is held during a sync of %s", h.name)
		}
		return h.h.Sync()
	})
}

func (h *simHandle) Close() error {
	err := h.do(simfile.Close, func() error { return nil })
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if _, open := h.handles[h]; !open {
		return err
	}
	h.w.noteScan(h)
	h.w.guardClose(h)
	delete(h.handles, h)
	err = h.h.Close()
	h.w.before("")
	return err
}

// simStore is where utmpd keeps its table.
type simStore struct {
	*simRun
	st   state.State
	err  error
	back int // how many saves are lost; negative: all
}

func (s simStore) Load() (state.State, error) { return s.st, s.err }

func (s simStore) Save(st state.State) error {
	b, err := st.MarshalBinary()
	if err != nil {
		return err
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.table = nil
	if err := s.enter("save", ""); err != nil {
		return err
	}
	s.w.saved = append(s.w.saved, b)
	s.table, s.whole = b, len(b)
	return nil
}

// Append is that of [state.File]. A part of what is appended is there if utmpd is killed.
func (s simStore) Append(changes ...state.Change) (full bool, err error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	was := s.table
	if s.table = nil; was == nil {
		return true, state.ErrNotOurs
	}
	b := slices.Clone(was)
	for _, c := range changes {
		if b, err = c.AppendText(b); err != nil {
			return true, err
		}
	}
	dead := s.dead
	err = s.enter("save changes", "")
	if err != nil {
		b = b[:len(was)+s.calls*31%(len(b)-len(was)+1)]
	}
	if !dead {
		s.w.saved = append(s.w.saved, b)
	}
	if err != nil {
		return true, err
	}
	s.table = b
	return len(b)-s.whole > max(1000, s.whole), nil
}

// simBegun is where utmpd keeps what it is about to record.
type simBegun simStore

func (s simBegun) Load() (st state.State, err error) {
	if s.back < 0 || s.w.begun == nil {
		return st, fs.ErrNotExist
	}
	err = st.UnmarshalBinary(s.w.begun)
	return st, err
}

func (s simBegun) Save(st state.State) error {
	b, err := st.MarshalBinary()
	if err != nil {
		return err
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if err := s.enter("save begun", ""); err != nil {
		return err
	}
	s.w.begun = b
	return nil
}
