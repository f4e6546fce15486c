// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"maps"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// index is a [Scene] in which what belongs together is found at once: a decision about a
// thousand sessions is one pass over each list.
type index struct {
	Scene
	*recordIndex
	own       map[session.OpenLogin]bool
	open      map[string]session.OpenLogin
	terminals map[int32][]Terminal // by whose child or grandchild leads them
	leaders   map[int32]Session    // the living sessions
	left      map[int32]Session    // those on seats whose leader has died
	given     map[string]int32     // to which of them sshd has given a line
	again     map[string]bool      // lines that a connection has given up and got again
}

// recordIndex is the part of an index that depends on the records alone.
type recordIndex struct {
	slots    map[session.OpenLogin]int // of USER_PROCESS records
	lines    map[string][]int          // slots of records that have a line
	pids     map[int32][]int           // slots of USER_PROCESS, LOGIN_PROCESS and INIT_PROCESS records
	ids      map[string][]int          // those of records that must stay
	displays []int                     // those of USER_PROCESS records whose line is no terminal's
}

func indexOf(records []utmpx.Record) *recordIndex {
	x := &recordIndex{
		slots: make(map[session.OpenLogin]int, len(records)), lines: make(map[string][]int, len(records)),
		pids: make(map[int32][]int, len(records)), ids: make(map[string][]int, len(records)),
	}
	for slot, r := range records {
		x.add(slot, r)
	}
	return x
}

// index also drops the bridge's records that are no more.
func (b *Bridge) index(s Scene) *index {
	x := &index{
		Scene: s, recordIndex: s.index, own: make(map[session.OpenLogin]bool),
		open: make(map[string]session.OpenLogin), terminals: make(map[int32][]Terminal), leaders: make(map[int32]Session), left: make(map[int32]Session),
		given: make(map[string]int32), again: make(map[string]bool),
	}
	if x.recordIndex == nil {
		x.recordIndex = indexOf(s.Records)
	}
	b.own = slices.DeleteFunc(b.own, func(o session.OpenLogin) bool { _, found := x.slots[o]; return !found })
	maps.DeleteFunc(b.led, func(o session.OpenLogin, _ session.ID) bool { _, found := x.slots[o]; return !found })
	for _, o := range b.own {
		x.own[o] = true
	}
	for _, o := range s.Open {
		x.open[o.Line] = o
	}
	for _, t := range s.Terminals {
		for _, pid := range t.makers() {
			x.terminals[pid] = append(x.terminals[pid], t)
		}
	}
	for _, it := range s.View.Sessions {
		if it.Login() && s.Living[it] {
			x.leaders[it.Leader] = it
		}
		if s.left(it) {
			x.left[it.Leader] = it
		}
	}
	for _, t := range s.Terminals {
		for _, pid := range t.makers() {
			if _, lives := x.leaders[pid]; lives {
				x.given[t.Line] = pid
			}
		}
	}
	return x
}

func (x *recordIndex) add(slot int, r utmpx.Record) {
	if r.Type == utmpx.Empty {
		return
	}
	if r.Line != "" {
		x.lines[r.Line] = append(x.lines[r.Line], slot)
	}
	if displaces(r) {
		x.ids[r.ID] = append(x.ids[r.ID], slot)
		x.pids[r.PID] = append(x.pids[r.PID], slot)
	}
	if r.Type == utmpx.UserProcess {
		x.slots[mark(r)] = slot
		if display(r) {
			x.displays = append(x.displays, slot)
		}
	}
}

// display reports whether the line of a record is no terminal's.
func display(r utmpx.Record) bool {
	return strings.Contains(r.Line, ":") || strings.HasPrefix(r.Line, "seat")
}

// places returns the terminals of a session: the one that logind names, its virtual
// terminal, or for ssh those that its sshd has made.
func (x *index) places(s Session) []place {
	switch {
	case many(s):
	case s.TTY != "" && isLine(s.TTY) && !x.NoDevice[s.TTY]:
		return []place{{line: s.TTY, since: s.Since}}
	case s.VT > 0 && !x.NoDevice[virtual(s.VT)]: // that of the machine, in a container with its bus
		return []place{{line: virtual(s.VT), since: s.Since}}
	default:
		return nil
	}
	if s.Seat != "" {
		return nil
	}
	var found []place
	for _, t := range x.terminals[s.Leader] {
		if isLine(t.Line) {
			found = append(found, place{t.Line, t.Leader, t.Start, t.Since, t.mayRecord(s.Leader)})
		}
	}
	return found
}

// from returns the time from which a record or login of the session's processes is the
// session's: login(1) writes some before logind has it. Some have whole seconds.
func (x *index) from(it Session) time.Time {
	from := it.Since
	if began, ok := x.Began[it]; ok && began.Before(from) {
		from = began
	}
	return from.Truncate(time.Second)
}

// mine reports whether a process is the session's: its leader, the leader of its terminal,
// or one that descends from the session's leader.
func (x *index) mine(it Session, p place, pid int32) bool {
	return pid == it.Leader || pid > 0 && pid == p.leader || slices.Contains(x.Above[pid], it.Leader)
}

// claimed looks for a record of the session that is not the bridge's: on its line, of one of
// its processes; or on another one, of its leader, if the session has one terminal only; or,
// on a seat, with a display for a line. A terminal within a graphical session has a record
// of its own, and so has one that openvt(1) opens.
func (x *index) claimed(it Session, p place) (claim, utmpx.Record) {
	found := unclaimed
	from := x.from(it)
	for _, slot := range x.lines[p.line] {
		r := x.Records[slot]
		if r.Type != utmpx.UserProcess || x.own[mark(r)] {
			continue
		}
		at := r.Time.Time()
		switch {
		case x.mine(it, p, r.PID) && !at.Before(from), it.Seat != "" && !at.Before(it.Since.Truncate(time.Second)):
			return byOwner, r
		}
		found = byAnother
	}
	if many(it) {
		return found, utmpx.Record{}
	}
	others := x.pids[it.Leader]
	if it.Seat != "" {
		others = slices.Concat(others, x.displays)
	}
	for _, slot := range others {
		r := x.Records[slot]
		inside := session.PseudoTerminal(r.Line) && !session.PseudoTerminal(p.line)
		if r.Type == utmpx.UserProcess && !x.own[mark(r)] && r.Line != p.line && !inside && x.mine(it, p, r.PID) && !r.Time.Time().Before(from) {
			return byOwner, r
		}
	}
	return found, utmpx.Record{}
}

// givenAway reports whether the line of a record of the bridge is a terminal that another
// session's sshd has made, while the record's own goes on: its terminal was closed, and nobody
// saw it gone.
func (x *index) givenAway(o session.OpenLogin) bool {
	if _, lives := x.leaders[o.PID]; !lives {
		return false // the table judges by its process
	}
	to := x.given[o.Line]
	return to != 0 && to != o.PID
}

// reopened reports whether the session of a record of the bridge has another terminal of the
// same name: sshd makes one for each channel, and a terminal that it has made has one leader.
func (x *index) reopened(o session.OpenLogin, led session.ID) (p place, is bool) {
	it, lives := x.leaders[o.PID]
	if led.PID == 0 || !lives || !many(it) {
		return p, false
	}
	for _, p := range x.places(it) {
		if p.line == o.Line && p.leads() != led && p.since.After(o.Time.Time()) {
			return p, true
		}
	}
	return p, false
}

// hadAnother reports whether the session had a terminal of the same name before.
func (x *index) hadAnother(it Session, p place) bool {
	return p.leader != 0 && slices.ContainsFunc(x.lines[p.line], func(slot int) bool {
		r := x.Records[slot]
		return r.Type == utmpx.DeadProcess && r.PID == it.Leader && !r.Time.Time().Before(it.Since) && r.Time.Time().Before(p.since)
	})
}

// ownerOf returns the record of somebody else that is of the same session as one of the
// bridge.
func (x *index) ownerOf(o session.OpenLogin) (utmpx.Record, bool) {
	it, lives := x.leaders[o.PID]
	if !lives {
		return x.leftBy(o)
	}
	for _, p := range x.places(it) {
		if p.line == o.Line {
			c, r := x.claimed(it, p)
			return r, c == byOwner
		}
	}
	return utmpx.Record{}, false
}

// leftBy is ownerOf of a session on a seat whose leader has died: a display manager is another
// process, and its child, whose record it writes, is in the session's control group.
func (x *index) leftBy(o session.OpenLogin) (utmpx.Record, bool) {
	it, ok := x.left[o.PID]
	if !ok || o.Time.Time().Before(x.from(it)) {
		return utmpx.Record{}, false
	}
	for _, slot := range slices.Concat(x.lines[o.Line], x.displays) {
		r := x.Records[slot]
		if r.Type == utmpx.UserProcess && !x.own[mark(r)] && x.In[r.PID] == it.ID && !r.Time.Time().Before(x.from(it)) {
			return r, true
		}
	}
	return utmpx.Record{}, false
}

// has reports whether the bridge has recorded the session there.
func (x *index) has(it Session, line string) bool {
	return slices.ContainsFunc(x.lines[line], func(slot int) bool {
		r := x.Records[slot]
		return r.Type == utmpx.UserProcess && x.own[mark(r)] && r.PID == it.Leader && !r.Time.Time().Before(x.from(it))
	})
}

// ended reports whether the session had a record there that was closed: before this run,
// or by its owner while the session is on its way out.
func (x *index) ended(it Session, p place) bool {
	return slices.ContainsFunc(x.lines[p.line], func(slot int) bool {
		r := x.Records[slot]
		at := r.Time.Time()
		return r.Type == utmpx.DeadProcess && !at.Before(it.Since) && !at.Before(p.since) && x.mine(it, p, r.PID)
	})
}

// getty returns the slot of the record that waits for this login, -1 if there is none: of
// the same line, else of the same process. Only login(1) goes on as the process of a getty,
// and not on a pseudo terminal: the record of a getty that has died may have any pid.
func (x *index) getty(r utmpx.Record, service string) int {
	waits := func(slot int) bool { return x.Records[slot].Type != utmpx.UserProcess && displaces(x.Records[slot]) }
	if at := slices.IndexFunc(x.lines[r.Line], waits); at >= 0 {
		return x.lines[r.Line][at]
	}
	if service == "login" && !session.PseudoTerminal(r.Line) {
		if at := slices.IndexFunc(x.pids[r.PID], waits); at >= 0 {
			return x.pids[r.PID][at]
		}
	}
	return -1
}

// inTheWay reports whether a record keeps r from being written: see [InTheWay].
func (x *index) inTheWay(r utmpx.Record) bool {
	return slices.ContainsFunc(slices.Concat(x.lines[r.Line], x.ids[r.ID]), func(slot int) bool { return InTheWay(r, x.Records[slot]) })
}
