// SPDX-License-Identifier: BSD-2-Clause

package session

import (
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// Job orders one record to be cleaned: if it is still the record that was judged,
// byte for byte and in the same file, its login is closed in the wtmpx file, and
// it becomes a DEAD_PROCESS.
type Job struct {
	Generation snapshot.Generation
	Slot       int
	Record     utmpx.Record
	End        time.Time
	Status     Status
	After      time.Time // the session was last known alive then; zero if End is exact
	Found      string    // what showed that it is dead, if nobody saw the death
	SkipLog    bool      // the wtmpx file fails: mark the record, owe the logout
}

// Outcome is what became of a [Job].
type Outcome int

// The outcomes of a Job.
const (
	Done      Outcome = iota // the record is a DEAD_PROCESS
	Changed                  // the record, or the file, is another one now
	Busy                     // the utmpx file could not be locked
	Failed                   // the utmpx file could not be read or written
	LogFailed                // the wtmpx file could not be locked or written; the record is unchanged
	DryRun                   // the record would have been cleaned
)

// Logout is what became of a session's logout in the wtmpx file.
type Logout int

// What can become of a logout.
const (
	NoLogout   Logout = iota // nothing was to be closed, or there is no wtmpx file
	Appended                 // a logout was written; after DryRun: it would have been
	Closed                   // the login was closed before: by its owner, a later login or a boot
	LogoutOwed               // it waits until the wtmpx file can be written
)

// String returns the word for the log.
func (l Logout) String() string {
	return [...]string{"none", "written", "login not open", "owed"}[l]
}

// Result is what became of one [Job].
type Result struct {
	Job     Job
	Outcome Outcome
	Logout  Logout
	Err     error
}

// Debt is a logout that waits for the wtmpx file: the login that must still be
// open there, and how its session ended.
type Debt struct {
	Login  utmpx.Record
	End    time.Time
	Status Status
}
