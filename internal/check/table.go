// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"cmp"
	"fmt"
	"slices"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// Machine tells of the processes of the machine whose utmpx file is checked.
type Machine struct {
	Alive  func(pid int32) bool        // also true if unknown
	Led    func(lines []string) []bool // the lines that have, or may have, a session leader
	Within func(pid, of int32) bool    // a process is the other one's descendant, or may be
}

// slotOf is one record of a utmpx file.
type slotOf struct {
	n int
	*utmpx.Record
}

// Table checks the records of a utmpx file, in their slots. on is nil if it is not the
// file of this machine.
func Table(records []utmpx.Record, on *Machine, found func(Finding)) {
	t := &table{on: on}
	if len(records) > 0 {
		t.size = int64(len(records[0].Raw()))
	}
	last := len(records)
	for last > 0 && zeros([]byte(records[last-1].Raw())) {
		last--
	}
	for i := range records {
		r := &records[i]
		switch {
		case zeros([]byte(r.Raw())):
			t.zeroed(i, r, i < last)
		case r.Type == utmpx.UserProcess && blank(r.User):
			t.add(i, blankedUser(r, 0, leftovers(r)))
		case r.Type < utmpx.Empty || r.Type > utmpx.DownTime:
			t.add(i, Finding{Kind: Damage, Severity: Error, Text: "no record is in this slot: " + r.Type.String() + fmt.Sprintf(", line %q", r.Line),
				Advice: "`utmpctl repair` marks the slot as ended"})
		case r.Type == utmpx.UserProcess && r.Time.Sec <= 0:
			t.add(i, Finding{Kind: Blanked, Severity: Warning, Text: fmt.Sprintf("a session without a time: user %q on line %q, process %d", r.User, r.Line, r.PID),
				Advice: "log cleaners take the time away and leave the rest"})
		}
	}
	t.sameID(records)
	alive := t.dead(records)
	t.sameLine(alive)
	if on == nil {
		t.bothOpen(records)
	}
	slices.SortStableFunc(t.all, func(a, b Finding) int { return cmp.Compare(a.From, b.From) })
	for _, f := range t.all {
		found(f)
	}
}

type table struct {
	on   *Machine
	size int64
	all  []Finding
}

// add keeps a finding about a slot.
func (t *table) add(slot int, f Finding) {
	f.From = int64(slot) * t.size
	f.To = f.From + t.size
	t.all = append(t.all, f)
}

func (t *table) zeroed(slot int, r *utmpx.Record, within bool) {
	f := Finding{Kind: Zeroed, Severity: Note, Text: "an empty slot at the end", Advice: "it does no harm"}
	if within {
		f.Severity, f.Text = Warning, "a slot of zeros among the records"
		f.Advice = "log cleaners such as zap write zeros over a user's record; C libraries leave no such slot"
	}
	t.add(slot, f)
}

// sameID reports records that pututxline(3) takes for one.
func (t *table) sameID(records []utmpx.Record) {
	first := map[string]int{}
	for i := range records {
		r := &records[i]
		if r.ID == "" || r.Type < utmpx.InitProcess || r.Type > utmpx.DeadProcess {
			continue
		}
		j, again := first[r.ID]
		if !again {
			first[r.ID] = i
			continue
		}
		f := Finding{Kind: SameID, Severity: Note, At: at(r.Time),
			Text:   fmt.Sprintf("the id %q, of line %q, is that of slot %d too, of line %q", r.ID, r.Line, j, records[j].Line),
			Advice: "pututxline(3) finds the first of them alone"}
		if r.Type == utmpx.UserProcess && records[j].Type == utmpx.UserProcess {
			f.Severity = Warning
		}
		t.add(i, f)
	}
}

// dead reports sessions whose process has ended, and returns those that live.
func (t *table) dead(records []utmpx.Record) (alive []slotOf) {
	if t.on == nil {
		return nil
	}
	var ended []slotOf
	var names []string
	for i := range records {
		r := &records[i]
		if r.Type != utmpx.UserProcess || r.PID <= 0 {
			continue
		}
		_, display := session.ParseDisplay(r.Line, r.PID)
		_, vt := session.ParseVT(r.Line)
		switch {
		case t.on.Alive(r.PID):
			alive = append(alive, slotOf{i, r})
		case display, vt: // who writes such a record may end at once
		default:
			ended = append(ended, slotOf{i, r})
			names = append(names, r.Line)
		}
	}
	if len(ended) == 0 {
		return alive
	}
	for i, led := range t.on.Led(names) {
		if e := ended[i]; !led {
			t.add(e.n, Finding{Kind: DeadProcess, Severity: Warning, At: at(e.Time),
				Text:   fmt.Sprintf("user %q is not on line %q any more: process %d has ended", e.User, e.Line, e.PID),
				Advice: "utmpd marks such records; `utmpctl status` and `utmpctl who -v` tell why it did not"})
		}
	}
	return alive
}

// sameLine reports lines that have two living sessions, but for a login within another.
func (t *table) sameLine(alive []slotOf) {
	first := map[string]slotOf{}
	for _, s := range alive {
		o, again := first[s.Line]
		if !again || s.Line == "" {
			first[s.Line] = s
			continue
		}
		f := Finding{Kind: SameLine, Severity: Warning, At: at(s.Time),
			Text:   fmt.Sprintf("line %q has two living sessions: user %q, process %d here, and user %q, process %d in slot %d", s.Line, s.User, s.PID, o.User, o.PID, o.n),
			Advice: "one of the processes has left the line without a logout"}
		if t.on.Within(s.PID, o.PID) || t.on.Within(o.PID, s.PID) {
			f.Severity, f.Advice = Note, "a login within a login"
		}
		t.add(s.n, f)
	}
}

// bothOpen reports lines that have two open sessions, in a file whose processes are not
// known.
func (t *table) bothOpen(records []utmpx.Record) {
	first := map[string]int{}
	for i := range records {
		r := &records[i]
		if r.Type != utmpx.UserProcess || r.Line == "" || r.User == "" {
			continue
		}
		j, again := first[r.Line]
		if !again {
			first[r.Line] = i
			continue
		}
		o := &records[j]
		t.add(i, Finding{Kind: SameLine, Severity: Note, At: at(r.Time),
			Text:   fmt.Sprintf("line %q has two open sessions: user %q, process %d here, and user %q, process %d in slot %d", r.Line, r.User, r.PID, o.User, o.PID, j),
			Advice: "a login within a login, or one ended without a logout"})
	}
}
