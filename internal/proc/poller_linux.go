// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxEnds is how many ends one Wait returns at most.
const maxEnds = 1024

// Poller waits for the ends of many processes at once. Its methods may be
// called at the same time, but only one Wait.
type Poller struct {
	file   *os.File // of the epoll descriptor, which Go's own poller waits for
	conn   syscall.RawConn
	closed atomic.Bool
	events [maxEnds]unix.EpollEvent
}

// NewPoller returns a Poller that waits for nothing yet. It costs one
// descriptor until Close. The error is ErrNoPidfd if the kernel has no
// pidfd_open(2) or forbids it.
func NewPoller() (*Poller, error) {
	self, err := Open(int32(os.Getpid()))
	if err != nil {
		return nil, err
	}
	self.Close()
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("proc: epoll_create1: %w", err)
	}
	// Only a non-blocking descriptor is parked in Go's poller, where waiting
	// takes no thread and Close ends it.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("proc: epoll: %w", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("proc: epoll: %w", err)
	}
	return &Poller{file: file, conn: conn}, nil
}

// Add has Wait tell when p ends, and once more when it was reaped (Linux ≥ 6.9),
// under key. One that has ended already is told of too. p must come from Open;
// closing it takes it out again.
func (l *Poller) Add(p *Process, key uint64) error {
	if p.fd < 0 {
		return fmt.Errorf("proc: watch %d: %w", p.id.PID, ErrNoPidfd)
	}
	// Edge-triggered: a dead process left open does not fire for ever.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(uint32(key)), Pad: int32(uint32(key >> 32))}
	var failed error
	err := l.conn.Control(func(fd uintptr) {
		failed = unix.EpollCtl(int(fd), unix.EPOLL_CTL_ADD, int(p.fd), &event)
	})
	if err := l.whatFailed(err, failed); err != nil {
		return fmt.Errorf("proc: watch %d: %w", p.id.PID, err)
	}
	return nil
}

// whatFailed returns the error of a call on the descriptor, given that of
// getting at it: os.ErrClosed after Close, of which Go has another word here.
func (l *Poller) whatFailed(access, call error) error {
	switch {
	case access == nil:
		return call
	case l.closed.Load():
		return os.ErrClosed
	}
	return access
}

// Wait blocks until processes have ended and appends them to ends, up to 1024
// at a time. After Close the error is os.ErrClosed.
func (l *Poller) Wait(ends []End) ([]End, error) {
	var n int
	var failed error
	err := l.conn.Read(func(fd uintptr) bool {
		n, failed = retry(func() (int, error) { return unix.EpollWait(int(fd), l.events[:], 0) })
		return n > 0 || failed != nil
	})
	if err := l.whatFailed(err, failed); err != nil {
		return ends, fmt.Errorf("proc: wait: %w", err)
	}
	for _, event := range l.events[:n] {
		ends = append(ends, End{
			Key:    uint64(uint32(event.Fd)) | uint64(uint32(event.Pad))<<32,
			Reaped: event.Events&unix.EPOLLHUP != 0,
		})
	}
	return ends, nil
}

// Close ends a Wait and releases the descriptor. It does not close the
// processes.
func (l *Poller) Close() error {
	l.closed.Store(true)
	return l.file.Close()
}
