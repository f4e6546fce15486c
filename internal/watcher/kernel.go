// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"io"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/proc"
)

// Kernel is where this package meets processes. Package proc's stands behind
// System; a simulated one takes its place in tests.
type Kernel interface {
	Opener

	// NewPoller returns what waits for ends; proc.ErrNoPidfd if Open cannot
	// work.
	NewPoller() (Poller, error)

	// Leaders tells what lives on terminal lines. It may block for a tenth
	// of a second.
	Leaders(lines []string) (map[string]proc.Leader, error)
}

// Opener finds the process that lives under a pid, a zombie too. The error is
// proc.ErrGone if there is none.
type Opener interface {
	// Open returns one that a Poller can wait for; proc.ErrNoPidfd where that
	// cannot be.
	Open(pid int32) (Process, error)

	// Find returns one that is seen to have ended when asked, and costs no
	// descriptor.
	Find(pid int32) (Process, error)
}

// Process is one process.
type Process interface {
	ID() proc.ID
	Ended() (ended, reaped bool)
	Status() proc.Status
	io.Closer
}

// Poller waits for the ends of processes. Wait blocks until Close.
type Poller interface {
	Add(p Process, key uint64) error
	Wait(ends []proc.End) ([]proc.End, error)
	io.Closer
}

// fullErrors say that no more descriptors are to be had.
var fullErrors = [...]error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOSPC}

// System returns the kernel that this program runs on.
func System() Kernel { return system{} }

type system struct{}

func (system) Open(pid int32) (Process, error) {
	p, err := proc.Open(pid)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (system) Find(pid int32) (Process, error) {
	p, err := proc.Find(pid)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (system) NewPoller() (Poller, error) {
	l, err := proc.NewPoller()
	if err != nil {
		return nil, err
	}
	return poller{l}, nil
}

func (system) Leaders(lines []string) (map[string]proc.Leader, error) { return proc.Leaders(lines) }

type poller struct{ *proc.Poller }

func (l poller) Add(p Process, key uint64) error { return l.Poller.Add(p.(*proc.Process), key) }

// Polling returns k without its pidfds, as it is where pidfd_open(2) is missing
// or forbidden.
func Polling(k Kernel) Kernel { return polling{k} }

type polling struct{ Kernel }

func (polling) Open(pid int32) (Process, error) { return nil, proc.ErrNoPidfd }
func (polling) NewPoller() (Poller, error)      { return nil, proc.ErrNoPidfd }
