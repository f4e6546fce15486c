// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"math"
	"slices"

	"utmpd.dev/utmpd/internal/session"
)

// numbers are what is known of the processes of other pid namespaces: those that were alive at
// one moment, after some sessions were opened. Whoever a record names lives when the record is
// written. So if none of them had its number then, it names none of them, and nobody needs to
// look again when the session ends: on a machine with a thousand processes that takes longer
// than all else. A record without a time may be written again, byte for byte, by another
// process, and tells nothing.
type numbers struct {
	upTo  uint64           // the last session that had been opened
	all   *session.Numbers // nil: nothing is known
	asked bool             // without a death
}

// noPID is what no process has, in any pid namespace: above the largest pid_max.
//
// Source: PID_MAX_LIMIT in linux/threads.h.
const noPID = math.MaxInt32

// askNumbers asks for them once in a run, when the lines of the first sessions are looked at
// again: the first pass over /proc reads each process, and a death would wait for that.
func (t *Table) askNumbers(sessions []lookAgain) {
	unproven := func(l lookAgain) bool { return !l.s.ledLine() && l.s.state == watched }
	if t.numbers.asked || !slices.ContainsFunc(sessions, unproven) {
		return
	}
	t.numbers.asked = true
	t.out.Gather = append(t.out.Gather, session.Question{PID: noPID, Mark: t.opened})
}

// learn takes in numbers that were gathered after the sessions up to a key were opened.
func (n *numbers) learn(all *session.Numbers, upTo uint64) {
	if all != nil && upTo >= n.upTo {
		n.all, n.upTo = all, upTo
	}
}

// exclude reports whether no process of another pid namespace is the one that a session's
// record names by a number.
func (n *numbers) exclude(s *entry, number int32) bool {
	return n.all != nil && s.login.Sec != 0 && s.key <= n.upTo && !n.all.Has(number)
}
