// SPDX-License-Identifier: BSD-2-Clause

package simfile

import (
	"slices"

	"utmpd.dev/utmpd/internal/sysfile"
)

// owner owns a lock: an open file description (OFD lock) or a process (POSIX
// lock).
type owner struct {
	h   *handle
	pid int32
}

func (h *handle) owner() owner {
	if h.pid != 0 {
		return owner{pid: h.pid}
	}
	return owner{h: h}
}

// locks are the locks on a file, each on the whole file. System.mu guards them.
type locks struct {
	held  []held
	queue []*request // first come, first served
}

type held struct {
	owner
	kind sysfile.LockKind
}

type request struct {
	held
	granted chan struct{}
}

// conflict returns the first lock of another owner that conflicts with a lock.
func (l *locks) conflict(o owner, kind sysfile.LockKind) (held, bool) {
	i := slices.IndexFunc(l.held, func(h held) bool {
		return h.owner != o && (kind == sysfile.WriteLock || h.kind == sysfile.WriteLock)
	})
	if i < 0 {
		return held{}, false
	}
	return l.held[i], true
}

func (l *locks) grant(o owner, kind sysfile.LockKind) {
	l.held = slices.DeleteFunc(l.held, func(h held) bool { return h.owner == o })
	l.held = append(l.held, held{o, kind})
}

// release releases an owner's lock and grants those of the queue that it blocked.
func (l *locks) release(o owner) {
	l.held = slices.DeleteFunc(l.held, func(h held) bool { return h.owner == o })
	l.queue = slices.DeleteFunc(l.queue, func(r *request) bool {
		if _, blocked := l.conflict(r.owner, r.kind); blocked {
			return false
		}
		l.grant(r.owner, r.kind)
		close(r.granted)
		return true
	})
}

func (h *handle) TryLock(kind sysfile.LockKind) error {
	_, err := h.begin(Op{Call: TryLock})
	defer h.s.mu.Unlock()
	if err != nil {
		return err
	}
	if _, blocked := h.n.conflict(h.owner(), kind); blocked {
		return sysfile.ErrLocked
	}
	h.n.grant(h.owner(), kind)
	return nil
}

// Lock blocks on a channel until the lock is granted.
func (h *handle) Lock(kind sysfile.LockKind) error {
	_, err := h.begin(Op{Call: Lock})
	if err != nil {
		h.s.mu.Unlock()
		return err
	}
	if _, blocked := h.n.conflict(h.owner(), kind); !blocked {
		h.n.grant(h.owner(), kind)
		h.s.mu.Unlock()
		return nil
	}
	r := &request{held{h.owner(), kind}, make(chan struct{})}
	h.n.queue = append(h.n.queue, r)
	h.s.mu.Unlock()
	<-r.granted
	return nil
}

func (h *handle) Unlock() error {
	_, err := h.begin(Op{Call: Unlock})
	defer h.s.mu.Unlock()
	if err == nil {
		h.n.release(h.owner())
	}
	return err
}

func (h *handle) Holder(kind sysfile.LockKind) (int32, bool, error) {
	_, err := h.begin(Op{Call: Holder})
	defer h.s.mu.Unlock()
	if err != nil {
		return 0, false, err
	}
	at, blocked := h.n.conflict(h.owner(), kind)
	return at.pid, blocked, nil
}

// Waiting returns the number of calls that wait for a lock on the named file.
func (s *System) Waiting(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.names[name]; n != nil {
		return len(n.queue)
	}
	return 0
}
