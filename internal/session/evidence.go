// SPDX-License-Identifier: BSD-2-Clause

package session

import (
	"slices"
	"strings"
)

// Sight asks who leads the line of a record that was just seen, as seen from the
// record's process.
type Sight struct {
	Key  uint64 // names the question in its answer
	Line string // ut_line
	ID   ID     // of ut_pid, or of the process that the session was found to live by, if Led; without a Start if it is unknown
	Led  bool
	Hold bool // keep the terminal of the line in view, under Key, until it is released
}

// Sighting answers a [Sight].
type Sighting struct {
	Key    uint64
	Leader ID   // leads the line and is the record's process or descends from it; zero if none does
	Outer  ID   // leads the line and is an ancestor of the record's process; zero if none is
	Leads  bool // with Led: the process leads the line, and by its mounts that very terminal
	Held   bool // the terminal is kept in view from now on
	Owner  Owner
}

// PseudoTerminal reports whether a line is the name of a pseudo terminal, such as pts/3,
// and nothing else.
func PseudoTerminal(line string) bool {
	number, is := strings.CutPrefix(line, "pts/")
	return is && number != "" && strings.Trim(number, "0123456789") == ""
}

// Owner is the user that a terminal belongs to.
type Owner struct {
	Known bool
	UID   uint32
}

// MayKeep reports whether a process of that real uid may keep a record: root's, the
// user's, or that of the owner whom the terminal had at first sight. A user whose name is
// not known here may be anybody.
func MayKeep(uid uint32, user, owner Owner) bool {
	return uid == 0 || !user.Known || uid == user.UID || owner.Known && uid == owner.UID
}

// Question asks what the machine knows of a session whose record is about to be
// cleaned.
type Question struct {
	Key  uint64 // names the question in its answer
	Line string // ut_line, if its leaders count; else ""
	Held uint64 // with Line: the [Sight] under whose Key its terminal was kept in view; 0: none
	PID  int32  // ut_pid, if processes of other pid namespaces count that have this number there; else 0
	Mark uint64 // with PID: is given back in the answer
	User string // ut_user

	// Who may keep the record, beside root and the user: the owner of the terminal at
	// first sight, and whoever is or descends from the leader that was seen then.
	Owner Owner
	Own   ID

	Shown   bool    // who shows the session on Display is asked
	Display Display // with Shown
	Idle    bool    // whether the user has no process is asked
}

// Evidence answers a [Question]: facts alone. The table weighs them.
type Evidence struct {
	Key       uint64
	Gone      bool        // the terminal that was kept in view is gone, whoever has its number now
	Unsure    string      // why it cannot be known whether a terminal of that name exists; "": it is known
	Hidden    bool        // a terminal of that name exists, and who leads it cannot be known
	Blind     bool        // processes of other pid namespaces cannot be known
	User      Owner       // ut_user, if that name is known here
	Owner     Owner       // of the terminal, now
	Leaders   []Candidate // the processes that lead the terminal; of very many, those that may keep the record
	Namesakes []Candidate // those whose number in their own pid namespace is ut_pid
	Numbers   *Numbers    // what else was learned on the way; nil: nothing, or not all could be seen
	Mark      uint64      // with Numbers: that of the question

	Witness Witness
	Idle    bool // the user surely has no process
}

// Numbers are the numbers that processes of other pid namespaces had there, all that lived
// while they were gathered. They were gathered after the questions were asked. They must not
// be changed.
type Numbers []int32 // in their order

// Has reports whether a process had that number.
func (n Numbers) Has(number int32) bool {
	_, found := slices.BinarySearch(n, number)
	return found
}

// Candidate is a living process by which a session may live on.
type Candidate struct {
	ID        ID     // its Inode may be unknown
	UID       uint32 // the real one
	Foreign   bool   // its user namespace is another than utmpd's: a user may have made it
	Elsewhere bool   // its terminal has the line's number in another devpts
	Above     []ID   // its parent, the parent's parent and so on
}

// Nobody is why a process is nobody's session.
type Nobody uint8

// A process that is nobody's session.
const (
	Somebody     Nobody = iota // it may be one
	KernelThread               // PF_KTHREAD
	Ourselves                  // utmpd
	Init                       // process 1, unless it leads the line
)
