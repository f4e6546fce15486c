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
	// Scanned is a reading of the utmpx file. Snapshot is nil if there is no file.
	// Began is when the reading began, on Moment.Mono. Periodic says that no notice
	// caused it.
	Scanned struct {
		Snapshot *snapshot.Snapshot
		Began    time.Duration
		Periodic bool
	}
	// NotRead: the periodic reading of the utmpx file has failed. What is known of its
	// records stays in use.
	NotRead struct{}

	// LoggedIn tells which logins are open in the wtmpx file, the oldest first: all of
	// them, or those that have come since the event before.
	LoggedIn struct {
		Logins []session.OpenLogin
		All    bool
	}
	// Requested asks to look at these processes and their records now.
	Requested struct{ PIDs []int32 }
	// Alive answers one pid of [Actions.Watch]: a process has it. The process is watched
	// if Token is not 0. Started and Boot are times by the present wall clock; Started is
	// zero if the start is not known.
	Alive struct {
		PID     int32
		Token   session.Token
		ID      session.ID
		Nobody  session.Nobody // why the process is nobody's session
		Unsure  bool           // no more is known than that the pid is in use: it may be a zombie's
		Started time.Time
		Boot    time.Time
	}
	// Gone answers one pid of [Actions.Watch]: no living process has it.
	Gone struct {
		PID    int32
		Status session.Status
	}
	// Exited reports that a watched process ended: at the time of the event or, if Late,
	// between that and Since, on Moment.Mono and Moment.Wall, while utmpd did not run or, if
	// Hidden, /proc hid the process.
	Exited struct {
		Token     session.Token
		Status    session.Status
		Late      bool
		Hidden    bool
		Since     time.Duration
		SinceWall time.Time
	}
	// Reaped brings the status of a process that [Exited] without one.
	Reaped struct {
		Token  session.Token
		Status session.Status
	}
	// Looked answers sights of [Actions.Look].
	Looked struct{ Sightings []session.Sighting }
	// Gathered answers questions of [Actions.Gather].
	Gathered struct{ Evidence []session.Evidence }
	// Checked answers one [Actions.Check]. Its Terminals are those that were looked at; of
	// them, those in Gone are gone.
	Checked struct{ Terminals, Gone []uint64 }
	// Cleaned answers one [Actions.Clean], job by job.
	Cleaned struct{ Results []session.Result }
	// Paid answers one [Actions.Pay]. Left are the debts that remain, Waiting those that
	// wait for the process that their login names, Of; of Closed, the login was not open.
	Paid struct {
		Left    []session.Debt
		Waiting []session.Debt
		Closed  int
		Told    int // of Closed, those that the log has called owed
		Err     error
	}
	// Configured brings new settings.
	Configured struct{ Settings Settings }
	// Tick says that the time of [Table.Next] has come.
	Tick struct{}
)

func (Scanned) event()    {}
func (NotRead) event()    {}
func (LoggedIn) event()   {}
func (Requested) event()  {}
func (Alive) event()      {}
func (Gone) event()       {}
func (Exited) event()     {}
func (Reaped) event()     {}
func (Looked) event()     {}
func (Gathered) event()   {}
func (Checked) event()    {}
func (Cleaned) event()    {}
func (Paid) event()       {}
func (Configured) event() {}
func (Tick) event()       {}

// Actions are what the table wants done. The fields may be carried out in any order, what
// is in one of them in its order.
type Actions struct {
	Watch   []int32            // pids to look at and watch; each is answered by one Alive or Gone, in order
	Forget  []session.Token    // processes that need not be watched any more
	Gather  []session.Question // what must be known before records are cleaned; each is answered once
	Look    []session.Sight    // records just seen: who leads their lines; each is answered once, before what is gathered later
	Check   []uint64           // terminals: which are gone; answered once. Each has the Key of the Sight that keeps it in view
	Release []uint64           // terminals that need not be kept in view any more
	Clean   []session.Job      // records to be marked
	Pay     []session.Debt     // logouts to be written
	Rescan  bool               // read the utmpx file now
	Reports []session.Report   // for the administrator
}
