// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
)

// Kernel gives access to processes. System implements it with package proc;
// tests use a simulated one.
type Kernel interface {
	Opener

	// NewPoller returns a Poller for processes from Open. The error wraps
	// proc.ErrNoPidfd if there are no pidfds.
	NewPoller() (Poller, error)

	// Gather answers questions about sessions, as proc.Gather does. It may block
	// for a tenth of a second.
	Gather(questions []session.Question) []session.Evidence

	// Look tells who leads the lines of records just seen, as proc.LookHeld does. held has their
	// terminals as Hold returned them, nil for those that are not held.
	Look(sights []session.Sight, held []Terminal) []session.Sighting

	// Hold keeps the pseudo terminal of a line in view, as proc.HoldTerminal does.
	Hold(line string) (Terminal, error)
}

// Terminal is a pseudo terminal; see proc.Terminal.
type Terminal interface {
	Gone() bool
	Owner() uint32
	io.Closer
}

// Opener finds the process that has a pid, also if it is a zombie. The error
// wraps proc.ErrGone if no process has it.
type Opener interface {
	// Open returns a Process that a Poller can wait for. It holds a
	// descriptor. The error wraps proc.ErrNoPidfd if there are no pidfds.
	Open(pid int32) (Process, error)

	// Find returns a Process that no Poller can wait for and that holds no
	// descriptor. Its Ended must be called to learn of its end.
	Find(pid int32) (Process, error)
}

// Dead reports whether no living process has that pid. If that cannot be known, it
// reports false.
func Dead(k Opener, pid int32) bool {
	p, err := k.Find(pid)
	if err != nil {
		return errors.Is(err, proc.ErrGone)
	}
	defer p.Close()
	ended, _ := p.Ended()
	return ended
}

// Process is one process; see proc.Process.
type Process interface {
	ID() session.ID
	Nobody() session.Nobody
	Ended() (ended, reaped bool)
	Unsure() bool
	Status() session.Status
	io.Closer
}

// Poller waits for the ends of processes; see proc.Poller.
type Poller interface {
	Add(p Process, key uint64) error
	Wait(ends []proc.End) ([]proc.End, error)
	io.Closer
}

// fullErrors are the errors that mean that no descriptor is left.
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

func (system) Gather(qs []session.Question) []session.Evidence { return proc.Gather(qs) }

func (system) Look(sights []session.Sight, held []Terminal) []session.Sighting {
	terminals := make([]*proc.Terminal, len(held))
	for i, t := range held {
		terminals[i], _ = t.(*proc.Terminal)
	}
	return proc.LookHeld(sights, terminals)
}

func (system) Hold(line string) (Terminal, error) {
	t, err := proc.HoldTerminal(line)
	if err != nil {
		return nil, err
	}
	return t, nil
}

type poller struct{ *proc.Poller }

func (l poller) Add(p Process, key uint64) error { return l.Poller.Add(p.(*proc.Process), key) }

// Polling returns k without pidfds, as if pidfd_open(2) were missing.
func Polling(k Kernel) Kernel { return polling{k} }

type polling struct{ Kernel }

func (polling) Open(pid int32) (Process, error) { return nil, proc.ErrNoPidfd }
func (polling) NewPoller() (Poller, error)      { return nil, proc.ErrNoPidfd }
