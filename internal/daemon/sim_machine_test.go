// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/watcher"
)

// simProc is a process of the simulated world. Its pid may become another's.
type simProc struct {
	pid           int32
	start, inode  uint64
	parent        *simProc
	uid           uint32 // the real one
	number        int32  // in a pid namespace of its own; 0: it has none
	foreign       bool   // in a user namespace of its own
	found         bool   // utmpd has found it by its number in a pid namespace
	nobody        session.Nobody
	ended, reaped bool
	endAt         time.Time
	known         time.Time // until when utmpd can know that it lived
	status        session.Status
	watch         []watchKey
	seenBy        int  // the last run of utmpd that looked at it while it lived
	reused        bool // its pid is, or was, another's after it
}

type watchKey struct {
	poller *simPoller
	key    uint64
}

// spawn has a new process live under a pid that is free, or was until now.
func (w *simWorld) spawn(pid int32) *simProc {
	w.inodes++
	p := &simProc{pid: pid, start: uint64(w.up(time.Now()) / (10 * time.Millisecond)), inode: 1000 + w.inodes}
	for _, s := range w.sessions {
		s.proc.reused = s.proc.reused || s.proc.pid == pid
	}
	for _, a := range w.alone {
		a.proc.reused = a.proc.reused || a.proc.pid == pid
	}
	if had := w.had[pid]; len(had) > 0 {
		w.count("pid reused")
		if time.Since(had[len(had)-1].endAt) < 10*time.Millisecond {
			w.count("pid reused at once")
		}
	}
	w.procs[pid] = p
	w.had[pid] = append(w.had[pid], p)
	return p
}

// freshPID returns a pid that nobody had.
func (w *simWorld) freshPID() int32 {
	w.lastPID += 3
	return w.lastPID
}

// end has a process exit; its parent has waited for it if reaped.
func (w *simWorld) end(p *simProc, reaped bool) {
	if p == nil || p.reaped {
		return
	}
	if !p.ended {
		p.ended, p.endAt = true, time.Now()
		if p.known = p.endAt; p.endAt.Before(w.awayUntil) {
			p.known = w.awaySince
		}
	}
	if reaped {
		p.reaped, p.status = true, session.Status{Known: true, Wait: p.pid % 7 << 8}
		if w.procs[p.pid] == p {
			delete(w.procs, p.pid)
		}
	}
	for _, k := range p.watch {
		k.poller.tell(proc.End{Key: k.key, Reaped: reaped})
	}
}

// simKernel is the processes as one run of utmpd sees them.
type simKernel struct{ *simRun }

func (k simKernel) Open(pid int32) (watcher.Process, error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	if err := k.enter("pidfd", ""); err != nil {
		return nil, err
	}
	if time.Now().Before(k.w.fullUntil) {
		return nil, syscall.EMFILE
	}
	return k.find(pid, true)
}

func (k simKernel) Find(pid int32) (watcher.Process, error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	if err := k.enter("find", ""); err != nil {
		return nil, err
	}
	return k.find(pid, false)
}

func (k simKernel) find(pid int32, pidfd bool) (watcher.Process, error) {
	p := k.w.procs[pid]
	if p == nil {
		return nil, proc.ErrGone
	}
	if !p.ended {
		p.seenBy = k.n
		k.w.noteSeen(p)
		k.w.noteFollowed(p)
	}
	h := &procHandle{simRun: k.simRun, p: p, id: session.ID{PID: pid, Start: p.start}, pidfd: pidfd}
	if k.w.hidden() {
		h.id.Start, h.unsure = 0, !pidfd
	}
	if pidfd {
		h.id.Inode = p.inode
		k.pidfds++
	}
	return h, nil
}

func (k simKernel) NewPoller() (watcher.Poller, error) {
	k.pidfds++
	return &simPoller{simRun: k.simRun, more: make(chan struct{}, 1), closed: make(chan struct{})}, nil
}

// procHandle is a process held by utmpd.
type procHandle struct {
	*simRun
	p      *simProc
	id     session.ID
	pidfd  bool
	unsure bool
	closed bool
}

func (h *procHandle) ID() session.ID { return h.id }

func (h *procHandle) Unsure() bool { return h.unsure }

func (h *procHandle) Nobody() session.Nobody { return h.p.nobody }

func (h *procHandle) Ended() (ended, reaped bool) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if h.pidfd {
		return h.p.ended, h.p.reaped
	}
	return h.endedByPID()
}

// endedByPID tells of the process that has the pid now. Of one that /proc hides nobody
// can tell that it is another, or a zombie.
func (h *procHandle) endedByPID() (ended, reaped bool) {
	now := h.w.procs[h.p.pid]
	h.unsure = h.w.hidden()
	switch {
	case now == nil || h.id.Start != 0 && !h.w.hidden() && now != h.p:
		return true, true
	case h.w.hidden():
		return false, false
	}
	return now.ended, false
}

func (h *procHandle) Status() session.Status {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	return h.p.status
}

func (h *procHandle) Close() error {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if h.closed {
		return os.ErrClosed
	}
	h.closed = true
	if h.pidfd {
		h.pidfds--
	}
	// Descriptors of one process are told apart by their poller's keys alone.
	return nil
}

// simPoller waits for the ends of processes.
type simPoller struct {
	*simRun
	ends   []proc.End // guarded by the world's mutex
	more   chan struct{}
	closed chan struct{}
}

func (l *simPoller) tell(end proc.End) {
	if l.simRun.dead {
		return
	}
	if back := time.Until(l.w.awayUntil); back > 0 { // utmpd is stopped until then
		l.w.count("ends while utmpd is away")
		end.Since = l.w.awaySince
		l.ends = append(l.ends, end)
		time.AfterFunc(back, l.wake)
		return
	}
	l.ends = append(l.ends, end)
	l.wake()
}

func (l *simPoller) wake() {
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func (l *simPoller) Add(p watcher.Process, key uint64) error {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if err := l.enter("epoll", ""); err != nil {
		return err
	}
	h, ok := p.(*procHandle)
	if !ok || !h.pidfd {
		return errors.New("not a pidfd")
	}
	h.p.watch = append(h.p.watch, watchKey{l, key})
	if h.p.ended {
		l.tell(proc.End{Key: key, Reaped: h.p.reaped})
	}
	return nil
}

func (l *simPoller) Wait(ends []proc.End) ([]proc.End, error) {
	select {
	case <-l.more:
		l.w.mu.Lock()
		defer l.w.mu.Unlock()
		if back := time.Until(l.w.awayUntil); back > 0 {
			for i := range l.ends { // what came just before it was stopped is found late too
				if l.ends[i].Since.IsZero() {
					l.ends[i].Since = l.w.awaySince.Add(-10 * time.Millisecond)
				}
			}
			time.AfterFunc(back, l.wake)
			return ends, nil
		}
		ends, l.ends = append(ends, l.ends...), nil
		return ends, nil
	case <-l.closed:
		l.w.mu.Lock()
		defer l.w.mu.Unlock()
		if len(l.ends) == 0 {
			return ends, os.ErrClosed
		}
		ends, l.ends = append(ends, l.ends...), nil
		return ends, nil
	}
}

func (l *simPoller) Close() error {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.pidfds--
	close(l.closed)
	return nil
}

// The clocks. What has stepped is the wall's alone.

type clockStep struct {
	at  time.Time
	off time.Duration
}

func (w *simWorld) wallAt(at time.Time) time.Time { return at.Round(0).Add(w.offset(at)) }

func (w *simWorld) offset(at time.Time) (off time.Duration) {
	for _, s := range w.steps {
		if !s.at.After(at) {
			off = s.off
		}
	}
	return off
}

func (w *simWorld) up(at time.Time) time.Duration { return w.upAtStart + at.Sub(w.began) }

func (p *simProc) String() string {
	if p == nil {
		return "no process"
	}
	s := fmt.Sprintf("process %d", p.pid)
	if p.ended {
		s += " (ended)"
	}
	return s
}
