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
	SkipLog    bool      // mark the record, owe the logout: the wtmpx file fails, or Login waits
	Login      Login     // the login that its logout waits for; zero: none

	// Rivals are the records that other sessions of its line have lost. The open login
	// may be theirs.
	Rivals []utmpx.Record
}

// Login names a login in the wtmpx file: a USER_PROCESS record. The zero Login names
// none.
type Login struct {
	Line string
	PID  int32
	Time utmpx.Time
}

// OpenLogin is a login that is open in the wtmpx file.
type OpenLogin struct {
	Login
	ID   string
	User string
}

// OwnRecord is a record that the bridge to logind has written.
type OwnRecord struct {
	OpenLogin
	Led ID // who led its terminal, if it was found by that: without Inode
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
	Doubtful                 // Login may be of another session while its process lives; the record is unchanged
)

// Logout is what became of a session's logout in the wtmpx file.
type Logout int

// What can become of a logout.
const (
	NoLogout   Logout = iota // nothing was to be closed, or there is no wtmpx file
	Appended                 // a logout was written; after DryRun: it would have been
	Closed                   // the login was closed before: by its owner, a later login or a boot
	LogoutOwed               // it waits: for the wtmpx file, or for the process that the open login names
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
	Login   Login // of Doubtful: the open login
	Err     error
}

// Debt is a logout to be written: of the session of which Login was the record, if its
// login is still open.
type Debt struct {
	Login  utmpx.Record
	End    time.Time
	Status Status
	After  time.Time      // as in [Job]
	Rivals []utmpx.Record // as in [Job]; not saved
	Of     Login          // the login in the wtmpx file that is known to be the session's; zero: the judgement finds it
	By     ID             // utmpd has not marked the record: the process by which the session lives or lived; else zero
	Alone  bool           // there was no record: the login stands in the wtmpx file alone
	Since  time.Time      // of Alone: when the process was first seen alive
}

// Told reports whether the log has called this logout owed: it is of a record that utmpd has
// marked.
func (d *Debt) Told() bool { return d.By.PID == 0 && !d.Alone }

// Debt returns the logout of the job's session.
func (j *Job) Debt() Debt {
	return Debt{Login: j.Record, End: j.End, Status: j.Status, After: j.After, Rivals: j.Rivals}
}
