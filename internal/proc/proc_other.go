// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux && !solaris

package proc

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// Process is one process, identified by its pid alone.
type Process struct{ id session.ID }

// Find finds the process that has pid now, also if it is a zombie. The error
// wraps ErrGone if no process has pid.
func Find(pid int32) (*Process, error) {
	if pid <= 0 || !signalable(pid) {
		return nil, fmt.Errorf("proc: find %d: %w", pid, ErrGone)
	}
	return &Process{id: session.ID{PID: pid}}, nil
}

// ID returns the pid; the rest is unknown.
func (p *Process) ID() session.ID { return p.id }

// Unsure reports true: the pid may be another's, or a zombie's.
func (p *Process) Unsure() bool { return true }

// Ended reports whether no process has the pid any more. A zombie still has it.
func (p *Process) Ended() (ended, reaped bool) {
	gone := !signalable(p.id.PID)
	return gone, gone
}

// Nobody reports why the process cannot be a session's.
func (p *Process) Nobody() session.Nobody { return nobody(p.id.PID) }

// Status returns an unknown status.
func (p *Process) Status() session.Status { return session.Status{} }

// Close does nothing.
func (p *Process) Close() error { return nil }

func signalable(pid int32) bool { return unix.Kill(int(pid), 0) != unix.ESRCH }

// BootID returns errors.ErrUnsupported: no portable call identifies a boot.
func BootID() (string, error) {
	return "", fmt.Errorf("proc: boot id: %w", errors.ErrUnsupported)
}

// Boot returns now: no portable call reports the time of the boot.
func Boot(now time.Time) time.Time { return now }

// Contained returns false: unknown.
func Contained() bool { return false }

// InitStart returns 0: unknown.
func InitStart() time.Duration { return 0 }

// Leaders reports for each line whether the terminal exists. If one does, the
// error wraps errors.ErrUnsupported, since its session leader is unknown.
func Leaders(lines []string) (map[string]Leader, error) {
	leaders := make(map[string]Leader, len(lines))
	var err error
	for _, line := range lines {
		path, ok := linePath(line)
		if ok {
			info, failed := os.Stat(path)
			ok = failed == nil && info.Mode()&os.ModeCharDevice != 0
		}
		leaders[line] = Leader{Exists: ok}
		if ok {
			err = fmt.Errorf("proc: session leaders: %w", errors.ErrUnsupported)
		}
	}
	return leaders, err
}

// Leaving is known on Linux alone.
func Leaving(int) bool { return false }
