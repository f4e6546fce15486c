// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux && !solaris

package proc

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Process is one process, of which nothing but the pid is known here.
type Process struct{ id ID }

// Find looks for the process that lives under pid now, a zombie too. The error
// is ErrGone if there is none.
func Find(pid int32) (*Process, error) {
	if pid <= 0 || !signalable(pid) {
		return nil, fmt.Errorf("proc: find %d: %w", pid, ErrGone)
	}
	return &Process{id: ID{PID: pid}}, nil
}

// ID returns the pid; the rest is unknown.
func (p *Process) ID() ID { return p.id }

// Ended reports whether no process has the pid any more. A zombie has.
func (p *Process) Ended() (ended, reaped bool) {
	gone := !signalable(p.id.PID)
	return gone, gone
}

// Status returns that nothing is known.
func (p *Process) Status() Status { return Status{} }

// Close does nothing.
func (p *Process) Close() error { return nil }

func signalable(pid int32) bool { return unix.Kill(int(pid), 0) != unix.ESRCH }

// BootID returns an error: there is no portable name of a boot.
func BootID() (string, error) {
	return "", fmt.Errorf("proc: boot id: %w", errors.ErrUnsupported)
}

// Boot returns now: there is no portable clock since boot.
func Boot(now time.Time) time.Time { return now }

// Leaders tells for each terminal line whether the terminal exists. Where one
// does, the error is errors.ErrUnsupported, since its leader is unknown.
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
