// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"slices"
	"time"
)

// looks is when terminals are looked for after something has shown that one may come: it is
// made first, and its session leader leads it some milliseconds later. At a user's first
// login the service manager starts in between.
var looks = [...]time.Duration{
	0, 2 * time.Millisecond, 5 * time.Millisecond, 9 * time.Millisecond, 14 * time.Millisecond, 20 * time.Millisecond,
	40 * time.Millisecond, 80 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second,
}

// nearUntil is the first look at which all processes are looked at, if those of the sessions can
// be found without, and neither has shown what is waited for nor would surely have. At the last
// look all are in any case.
const nearUntil = 20 * time.Millisecond

// nearMost is of how many sessions, the newest.
const nearMost = 32

// lookAround looks for the terminals of sessions that may have some.
func (r *Recorder) lookAround(v View, now time.Time, opened bool) {
	if !slices.ContainsFunc(v.Sessions, func(s Session) bool { return s.Login() && many(s) }) && r.next < len(looks) {
		r.next = len(looks) - 1 // nothing is waited for
	}
	begins := slices.ContainsFunc(r.terminals, func(t Terminal) bool {
		return t.Begins && slices.ContainsFunc(v.Sessions, func(s Session) bool { return t.mayRecord(s.Leader) })
	})
	due := r.next < len(looks) && !r.lookFrom.Add(looks[r.next]).After(now)
	if !due && !begins && !opened {
		return
	}
	early, first := true, r.next == 0
	for r.next < len(looks) && !r.lookFrom.Add(looks[r.next]).After(now) {
		early = early && looks[r.next] < nearUntil
		r.next++
	}
	near, all, found := r.findNear(v)
	r.came = r.came && !first || found
	switch {
	case near && early && (all || found || !opened):
		return
	case near && r.next < len(looks) && (r.came || all && bySSH(v)):
		return // what was waited for is there, or would have been seen
	}
	r.findTerminals()
	if r.next == len(looks) {
		r.findStrays(v)
	}
}

// stray is a terminal of an sshd without a session that is known.
type stray struct {
	line   string
	leader int32
}

// findStrays looks for terminals that sshd has made in a session that nobody has told of. Each
// is reported once: sshd may have none.
func (r *Recorder) findStrays(v View) {
	leaders := make(map[int32]bool)
	for _, s := range v.Sessions {
		leaders[s.Leader] = true
	}
	strays, missed := make(map[stray]bool), false
	for _, t := range r.terminals {
		makers := t.makers()
		if len(makers) == 0 || slices.ContainsFunc(makers, func(pid int32) bool { return leaders[pid] }) {
			continue
		}
		at := stray{t.Line, t.Leader}
		missed = missed || !r.strays[at]
		strays[at] = true
	}
	r.strays = strays
	if missed {
		r.opts.Missed()
	}
}

func (r *Recorder) findTerminals() {
	r.found = time.Now()
	found, err := r.opts.Machine.Terminals()
	if err != nil {
		r.fail("the terminals of logind's sessions cannot be found", err)
		return
	}
	r.terminals = found
}

// bySSH reports whether sshd has made all sessions that may have several terminals: then those of
// its children are all that count.
func bySSH(v View) bool {
	return !slices.ContainsFunc(v.Sessions, func(s Session) bool { return s.Login() && many(s) && s.Service != "sshd" })
}

// findNear looks for terminals of the newest sessions alone, if it can. It reports whether there
// are no other sessions, and whether it has found a new terminal.
func (r *Recorder) findNear(v View) (looked, all, found bool) {
	sessions := slices.DeleteFunc(slices.Clone(v.Sessions), func(s Session) bool { return !s.Login() || !many(s) })
	slices.SortFunc(sessions, func(a, b Session) int { return b.Since.Compare(a.Since) })
	var leaders []int32
	for _, s := range sessions[:min(nearMost, len(sessions))] {
		leaders = append(leaders, s.Leader)
	}
	now := time.Now()
	terminals, ok := r.opts.Machine.Near(leaders)
	if !ok {
		return false, false, false
	}
	known, near := make(map[stray]bool), make(map[string]bool)
	for _, t := range r.terminals {
		known[stray{t.Line, t.Leader}] = true
	}
	r.near = make(map[stray]time.Time)
	for _, t := range terminals {
		at := stray{t.Line, t.Leader}
		found = found || !known[at]
		r.near[at], near[t.Line] = now, true
	}
	others := slices.DeleteFunc(slices.Clone(r.terminals), func(t Terminal) bool { return near[t.Line] })
	r.terminals = append(others, terminals...)
	return true, len(leaders) == len(sessions), found
}

// fresh reports whether the terminal of an order was there lately.
func (r *Recorder) fresh(o Order) bool {
	seen := r.found
	if near := r.near[stray{o.key.line, o.key.of}]; near.After(seen) {
		seen = near
	}
	return o.Kind > TakeOver || o.key.of == 0 || time.Since(seen) <= lookFresh
}

func (r *Recorder) nextLook() time.Time {
	if r.next == len(looks) {
		return time.Time{}
	}
	return r.lookFrom.Add(looks[r.next])
}
