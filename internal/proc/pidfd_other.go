// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package proc

import "fmt"

// Open returns ErrNoPidfd: only Linux has pidfds. Use Find.
func Open(pid int32) (*Process, error) {
	return nil, fmt.Errorf("proc: open %d: %w", pid, ErrNoPidfd)
}

// Poller cannot be created on this system: it needs pidfds.
type Poller struct{}

// NewPoller returns ErrNoPidfd.
func NewPoller() (*Poller, error) { return nil, fmt.Errorf("proc: %w", ErrNoPidfd) }

// Add returns ErrNoPidfd.
func (l *Poller) Add(p *Process, key uint64) error { return ErrNoPidfd }

// Wait returns ErrNoPidfd.
func (l *Poller) Wait(ends []End) ([]End, error) { return ends, ErrNoPidfd }

// Close does nothing.
func (l *Poller) Close() error { return nil }
