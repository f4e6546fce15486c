// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
)

// Event is something that happened: one of the types below.
type Event interface{ event() }

type (
	// Scanned brings what the utmpx file holds, nil if there is none.
	// Began is when the reading began; Periodic, that no notice caused it.
	Scanned struct {
		Snapshot *snapshot.Snapshot
		Began    time.Duration
		Periodic bool
	}
	// Requested asks to look at processes and their records now.
	Requested struct{ PIDs []int32 }
	// Alive answers one [Actions.Watch]: a process lives under the pid. It is
	// watched if Token is not 0. Started and Boot are by the present wall
	// clock; Started is zero if the start is not known.
	Alive struct {
		PID     int32
		Token   session.Token
		ID      session.ID
		Started time.Time
		Boot    time.Time
	}
	// Gone answers one [Actions.Watch]: nothing lives under the pid.
	Gone struct {
		PID    int32
		Status session.Status
	}
	// Exited tells that a watched process has ended, at the time of the event.
	Exited struct {
		Token  session.Token
		Status session.Status
	}
	// Reaped brings the status of a process that has [Exited] without one.
	Reaped struct {
		Token  session.Token
		Status session.Status
	}
	// Leaders answers one [Actions.FindLeaders].
	Leaders struct{ Lines map[string]Leader }
	// Cleaned answers one [Actions.Clean], job by job.
	Cleaned struct{ Results []session.Result }
	// Paid answers one [Actions.Pay]. Left are those still owed.
	Paid struct {
		Left []session.Debt
		Err  error
	}
	// Configured brings new settings.
	Configured struct{ Settings Settings }
	// Tick tells that the time of [Table.Next] has come.
	Tick struct{}
)

// Leader is the living session leader of a terminal, if it has one.
type Leader struct {
	Found  bool
	Hidden bool // the terminal exists, but who leads it cannot be known
	ID     session.ID
}

func (Scanned) event()    {}
func (Requested) event()  {}
func (Alive) event()      {}
func (Gone) event()       {}
func (Exited) event()     {}
func (Reaped) event()     {}
func (Leaders) event()    {}
func (Cleaned) event()    {}
func (Paid) event()       {}
func (Configured) event() {}
func (Tick) event()       {}

// Actions are what the table wants done, in any order between the fields and
// in the given order within one. Each pid of Watch is answered by exactly one
// Alive or Gone, in order.
type Actions struct {
	Watch       []int32
	Forget      []session.Token
	FindLeaders []string
	Clean       []session.Job
	Pay         []session.Debt
	Rescan      bool
	Reports     []session.Report
}
