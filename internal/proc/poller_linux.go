// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxEnds is the largest number of ends that one Wait returns.
const maxEnds = 1024

// Poller waits for the ends of many processes at once. Its methods are safe for
// concurrent use, except that only one Wait may run at a time.
type Poller struct {
	file   *os.File // the epoll descriptor; the Go runtime's poller waits for it
	conn   syscall.RawConn
	closed atomic.Bool
	events [maxEnds]unix.EpollEvent
}

// NewPoller returns a Poller without processes. It holds one descriptor until
// Close. The error wraps ErrNoPidfd if pidfd_open(2) is missing or forbidden.
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
	// The Go runtime polls non-blocking descriptors only. With it, a Wait
	// occupies no thread, and Close ends it.
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

// Add makes Wait report the end of p, and once more that p was reaped (Linux ≥
// 6.9), with key. If p has already ended, Wait reports that. p must be from
// Open. Closing p removes it.
func (l *Poller) Add(p *Process, key uint64) error {
	if p.fd < 0 {
		return fmt.Errorf("proc: watch %d: %w", p.id.PID, ErrNoPidfd)
	}
	// Edge-triggered, so that a dead process that stays open is reported
	// once and not at each Wait.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(uint32(key)), Pad: int32(uint32(key >> 32))}
	var failed error
	err := l.conn.Control(func(fd uintptr) {
		failed = unix.EpollCtl(int(fd), unix.EPOLL_CTL_ADD, int(p.fd), &event)
	})
	if err := l.callError(err, failed); err != nil {
		return fmt.Errorf("proc: watch %d: %w", p.id.PID, err)
	}
	return nil
}

// callError returns the error of a system call on the descriptor. access is the
// error of the syscall.RawConn, call that of the system call. After Close it is
// os.ErrClosed; the RawConn's own error is not comparable to that.
func (l *Poller) callError(access, call error) error {
	switch {
	case access == nil:
		return call
	case l.closed.Load():
		return os.ErrClosed
	}
	return access
}

// Wait blocks until at least one process has ended and appends the ends, at
// most 1024, to ends. After Close the error wraps os.ErrClosed.
func (l *Poller) Wait(ends []End) ([]End, error) {
	var n int
	var failed error
	err := l.conn.Read(func(fd uintptr) bool {
		n, failed = retry(func() (int, error) { return unix.EpollWait(int(fd), l.events[:], 0) })
		return n > 0 || failed != nil
	})
	if err := l.callError(err, failed); err != nil {
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

// Close ends a running Wait and closes the descriptor of the Poller. It does
// not close the processes.
func (l *Poller) Close() error {
	l.closed.Store(true)
	return l.file.Close()
}
