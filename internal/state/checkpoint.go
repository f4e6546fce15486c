// SPDX-License-Identifier: BSD-2-Clause

package state

import (
	"cmp"
	"slices"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// Of returns the state that keeps a checkpoint for a later run of the boot with
// that id. gen is the utmpx file that its slots refer to.
func Of(c session.Checkpoint, bootID string, gen snapshot.Generation) State {
	out := State{BootID: bootID, Alive: c.Alive, File: [2]uint64{gen.Dev, gen.Ino}}
	slices.SortStableFunc(c.Sessions, func(a, b session.Entry) int {
		return cmp.Or(cmp.Compare(a.ID.PID, b.ID.PID), cmp.Compare(a.ID.Start, b.ID.Start), cmp.Compare(a.ID.Inode, b.ID.Inode))
	})
	// One piece of memory for all of each: there may be tens of thousands.
	out.Procs = make([]Proc, 0, len(c.Sessions))
	records, first := make([]Record, 0, len(c.Sessions)), 0
	for i, s := range c.Sessions {
		if i == 0 || s.ID != c.Sessions[i-1].ID {
			first = i
			out.Procs = append(out.Procs, Proc{PID: s.ID.PID, Start: s.ID.Start, Inode: s.ID.Inode, Since: s.Since})
		}
		wait := int32(-1)
		if s.Status.Known {
			wait = s.Status.Wait
		}
		records = append(records, Record{
			Slot: s.Slot, Sum: s.Sum, Leader: s.Led, Ended: s.End, Found: !s.End.IsZero() && !s.Exact, Wait: wait,
		})
		out.Procs[len(out.Procs)-1].Records = records[first : i+1 : i+1]
	}
	for _, o := range c.Owed {
		if !InCalendar(o.End) { // a hostile record's: with it nothing would be saved
			continue
		}
		debt := Owed{Login: []byte(o.Login.Raw()), Layout: o.Login.Layout().Name(), End: o.End, Wait: -1}
		if o.Status.Known {
			debt.Wait = o.Status.Wait
		}
		out.Owed = append(out.Owed, debt)
	}
	return out
}

// Checkpoint returns what the state keeps. It leaves out a logout whose login is in no
// layout that is known here.
func (s State) Checkpoint() session.Checkpoint {
	status := func(wait int32) session.Status {
		if wait < 0 {
			return session.Status{}
		}
		return session.Status{Known: true, Wait: wait}
	}
	out := session.Checkpoint{Alive: s.Alive}
	for _, p := range s.Procs {
		for _, r := range p.Records {
			out.Sessions = append(out.Sessions, session.Entry{
				Slot: r.Slot, Sum: r.Sum, ID: session.ID{PID: p.PID, Start: p.Start, Inode: p.Inode},
				Led: r.Leader, Since: p.Since, End: r.Ended, Exact: !r.Ended.IsZero() && !r.Found, Status: status(r.Wait),
			})
		}
	}
	for _, o := range s.Owed {
		l, err := utmpx.ByName(o.Layout)
		if err != nil || len(o.Login) != l.Size() {
			continue
		}
		out.Owed = append(out.Owed, session.Debt{Login: l.Decode(string(o.Login)), End: o.End, Status: status(o.Wait)})
	}
	return out
}
