// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// maxEnds is the largest number of ends that one Wait returns.
const maxEnds = 1024

// lateAfter is how late an end may be found and still count as found at once.
const lateAfter = 500 * time.Millisecond

// maxWait bounds one wait. After each the poller knows that it was awake.
const maxWait = time.Minute

// closeKey is the key under which Close wakes Wait.
const closeKey = ^uint64(0)

// Poller waits for the ends of many processes at once. Its methods are safe for
// concurrent use, except that only one Wait may run at a time.
type Poller struct {
	closed atomic.Bool
	use    sync.RWMutex // held while the descriptor is used
	fd     int          // of epoll

	// Of Wait.
	events    [maxEnds]unix.EpollEvent
	awake     time.Time     // no process had ended then that was not reported
	slept     time.Duration // how long the machine had slept then
	disturbed bool          // the wait since then was interrupted
	last      []End         // that had come when it was closed
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
	return &Poller{fd: fd, awake: time.Now(), slept: slept()}, nil
}

// Add makes Wait report the end of p, and once more that p was reaped (Linux ≥
// 6.9), with key. If p has already ended, Wait reports that. p must be from
// Open. Closing p removes it.
func (l *Poller) Add(p *Process, key uint64) error {
	if p.fd < 0 {
		return fmt.Errorf("proc: watch %d: %w", p.id.PID, ErrNoPidfd)
	}
	l.use.RLock()
	defer l.use.RUnlock()
	if l.closed.Load() {
		return fmt.Errorf("proc: watch %d: %w", p.id.PID, os.ErrClosed)
	}
	// Edge-triggered, so that a dead process that stays open is reported
	// once and not at each Wait.
	if err := l.add(int(p.fd), key); err != nil {
		return fmt.Errorf("proc: watch %d: %w", p.id.PID, err)
	}
	return nil
}

func (l *Poller) add(fd int, key uint64) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(uint32(key)), Pad: int32(uint32(key >> 32))}
	return unix.EpollCtl(l.fd, unix.EPOLL_CTL_ADD, fd, &event)
}

// Wait blocks until at least one process has ended and appends the ends, at most
// 1024, to ends. It occupies a thread. After Close it reports the ends that came before,
// and then an error that wraps os.ErrClosed.
//
// An end was found late if this process may not have run when it came: it was stopped,
// frozen or starved, or the machine slept. A wait that a stop or a freeze interrupts
// fails with EINTR in the thread that waits, before that can see what came meanwhile.
//
// Source: "Interruption of system calls and library functions by stop signals" in
// signal(7).
func (l *Poller) Wait(ends []End) ([]End, error) {
	l.use.RLock()
	defer l.use.RUnlock()
	for !l.closed.Load() {
		n, err := retry(func() (int, error) { return unix.EpollWait(l.fd, l.events[:], 0) })
		late := l.late()
		if n == 0 && err == nil {
			l.isAwake()
			n, err = unix.EpollWait(l.fd, l.events[:], int(maxWait/time.Millisecond))
			if err == unix.EINTR {
				l.disturbed = true
				continue
			}
			late = slept()-l.slept > lateAfter
		}
		if err != nil {
			return ends, fmt.Errorf("proc: wait: %w", err)
		}
		since := time.Time{}
		if late {
			since = l.awake
		}
		if ends = l.take(ends, n, since); len(ends) > 0 {
			return ends, nil
		}
	}
	if last := l.last; len(last) > 0 {
		l.last = nil
		return append(ends, last...), nil
	}
	return ends, fmt.Errorf("proc: wait: %w", os.ErrClosed)
}

// late reports whether what is found now may have come when this process did not run.
func (l *Poller) late() bool {
	return l.disturbed || time.Since(l.awake) > lateAfter || slept()-l.slept > lateAfter
}

// isAwake notes that nothing waits to be reported.
func (l *Poller) isAwake() { l.awake, l.slept, l.disturbed = time.Now(), slept(), false }

// take appends what epoll has returned.
func (l *Poller) take(ends []End, n int, since time.Time) []End {
	for _, event := range l.events[:n] {
		key := uint64(uint32(event.Fd)) | uint64(uint32(event.Pad))<<32
		if key == closeKey {
			continue
		}
		ends = append(ends, End{Key: key, Reaped: event.Events&unix.EPOLLHUP != 0, Since: since})
	}
	if n > 0 && n < len(l.events) && since.IsZero() {
		l.isAwake() // that was all
	}
	return ends
}

// Close ends a running Wait and closes the descriptor of the Poller. It does
// not close the processes.
func (l *Poller) Close() error {
	if l.closed.Swap(true) {
		return os.ErrClosed
	}
	// Readable at once. Without it, Wait ends after maxWait.
	wake, err := unix.Eventfd(1, unix.EFD_CLOEXEC)
	if err == nil {
		defer unix.Close(wake)
		_ = l.add(wake, closeKey)
	}
	l.use.Lock()
	defer l.use.Unlock()
	since := time.Time{}
	if l.late() {
		since = l.awake
	}
	for n := len(l.events); n == len(l.events); {
		if n, err = retry(func() (int, error) { return unix.EpollWait(l.fd, l.events[:], 0) }); err == nil {
			l.last = l.take(l.last, n, since)
		}
	}
	return unix.Close(l.fd)
}

// slept returns how long the machine has slept: what the clock that counts suspends is
// ahead of the other.
func slept() time.Duration {
	var up, running unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &running) != nil {
		return 0
	}
	return time.Duration(up.Nano() - running.Nano())
}
