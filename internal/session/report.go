// SPDX-License-Identifier: BSD-2-Clause

package session

import (
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Report is something that an administrator may want to know: one of the types
// below.
type Report interface{ report() }

type (
	// Watching reports a session whose process is watched from now on.
	Watching struct{ Record utmpx.Record }

	// Dying reports that the process of a session has ended, at End. The record's
	// owner may clean it within GRACE_PERIOD.
	Dying struct {
		Record utmpx.Record
		End    time.Time
	}

	// Ended reports that a session was cleaned.
	Ended struct {
		Job    Job
		Logout Logout
	}

	// WouldEnd reports that a session would have been cleaned, but for -n.
	WouldEnd struct {
		Job    Job
		Logout Logout
	}

	// LeftAlone reports a session whose record stays, though its process is dead
	// or unknown.
	LeftAlone struct {
		Record utmpx.Record
		Reason string
		Seen   bool // its process was seen to live
	}

	// EndedByOwner reports that the owner has cleaned a session's record.
	EndedByOwner struct{ Record utmpx.Record }

	// Unwatched reports that so many sessions are not watched; none if all are
	// watched again.
	Unwatched struct{ Sessions int }

	// Delayed reports that the cleaning of sessions waits, because of Err.
	Delayed struct {
		Sessions int
		Err      error
	}

	// DebtsPaid reports that so many logouts that had waited were written. Closed are
	// others, of which a report Ended said that they were owed: their login is not open.
	DebtsPaid struct{ Logouts, Closed int }

	// PaymentDelayed reports that so many logouts still wait, because of Err.
	PaymentDelayed struct {
		Logouts int
		Err     error
	}

	// DebtLost reports a logout that was given up: too many wait.
	DebtLost struct{ Debt Debt }
)

func (Watching) report()       {}
func (Dying) report()          {}
func (Ended) report()          {}
func (WouldEnd) report()       {}
func (LeftAlone) report()      {}
func (EndedByOwner) report()   {}
func (Unwatched) report()      {}
func (Delayed) report()        {}
func (DebtsPaid) report()      {}
func (PaymentDelayed) report() {}
func (DebtLost) report()       {}
