// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// simTally counts what happened in simulated worlds, what of the laws was
// judged there, and what was left out of it.
type simTally map[string]int

func (w *simWorld) count(what string) { w.tally[what]++ }

func (t simTally) add(o simTally) {
	for what, n := range o {
		t[what] += n
	}
}

func (t simTally) String() string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(&b, "%10d %s\n", t[what], what)
	}
	return b.String()
}

// simTroubles are what has to happen in random schedules, once in so many of
// them at least: else they would prove less than they seem to.
var simTroubles = map[string]int{
	"process a zombie": 1, "zombie reaped": 1, "ut_pid outlived by its leader": 1,
	"pid reused": 1, "pid reused at once": 20, "pid now a stranger's": 5, "pid of several records": 5,
	"owner cleans in the grace": 40, "owner cleans late, before utmpd": 4, "owner cleans after utmpd": 20,
	"flip, written anew": 30, "flip, written back; process lives: true": 30, "flip, written back; process lives: false": 150,
	"slot reused, its session dead": 10, "slot reused between judgement and lock": 2500,
	"wtmp appended to without a lock": 2, "wtmp record torn": 10, "wtmp record torn for good": 20, "utmp record torn": 2,
	"utmp replaced": 10, "utmp cut": 20, "utmp away": 40, "utmp fails": 10,
	"wtmp rotated": 5, "wtmp rotated in mid-session": 5, "wtmp away": 40, "wtmp fails": 5,
	"line in several records": 5, "login on a terminal that has a leader": 5, "record without a line": 2,
	"lock held by somebody": 5, "lock held for good": 20,
	"notice lost": 10, "notice doubled": 10, "notice late": 10,
	"clock stepped forward": 10, "clock stepped back": 10, "clock step recorded": 20,
	"utmpd killed": 5, "utmpd killed before append": 150, "utmpd killed before write": 100, "utmpd killed before save": 60, "utmpd killed before save changes": 200,
	"utmpd killed before sync": 60, "utmpd killed before truncate": 5000,
	"restart with state": 5, "restart without state": 20, "restart with a stale state": 20,
	"display shown by nobody": 8, "display shown by an X server": 8, "display shown by logind": 8,
	"display of another host": 10, "virtual terminal": 10, "display whose number is cut": 12, "marks: a display's, by who spoke for it": 8,
	"nameless record of nobody; before the boot: true": 20, "nameless record of nobody; before the boot: false": 16,
	"names below /dev not to be looked up": 20,
	"utmpd is away":                        20, "ends while utmpd is away": 40,
	"logind and /proc unreadable": 10, "/proc hides processes": 10, "container's process hidden": 100, "nameless record of somebody": 16, "marks: nameless": 20, "record without a process, with a line": 20,
	"record without a process, whose line is led; before the boot: true": 150, "record without a process, whose line is led; before the boot: false": 50,
	"login in a container, of another user namespace: false": 5, "login in a container, of another user namespace: true": 10,
	"container's number is a young process's here": 10, "container's number is a session's here": 20,
	"ut_pid is nobody's session": 10, "terminal taken over by another user": 40, "terminal in view": 1, "terminal's number given out again": 5,
	"terminal's number taken by root": 100, "terminal gone, and its leader lives": 30, "terminal gone, and its leader lives: followed": 100,
	"getty on the line of a session":      30,
	"login under another line in the log": 12, "login under another line in the log, in another second": 24, "login in two seconds": 12, "login's parent outlives it": 12,
	"record displaced while its process lives": 12, "record marked by its owner, and no logout": 12,
	"logins of the displaced: judged": 80,
	"login alone":                     12, "login alone, its pid in the line": 12, "login alone, of a writer that ends": 12,
	"login alone, on the line of a session": 8, "login alone, killed with the session": 25, "login alone, logs out": 16,
	"logouts: of logins alone": 5, "logins alone: judged": 40, "logins alone: judged, on the line of a session": 200,
	"login beyond MAX_FDS": 1, "no descriptors": 10, "request": 10,
}

// simShares are how much of what could be judged must have been, in percent.
var simShares = []struct {
	what, of string
	least    int
}{
	{"marks: deadline judged, from the death on", "marks", 25},
	{"marks: time judged exactly", "marks", 20},
	{"dead when left alone: judged", "dead when left alone", 70},
	{"logouts: judged", "logouts", 90},
	{"logouts: exact", "logouts: judged", 20},
	{"logouts: in bounds", "logouts: judged", 5},
	{"logins of the marked: judged", "logins of the marked", 80},
}

// check fails if too little happened in n schedules, or was judged.
func (t simTally) check(tb testing.TB, n int) {
	if n < 2000 {
		return // chance alone
	}
	for what, in := range simTroubles {
		if t[what] < n/in {
			tb.Errorf("%s: %d times in %d schedules, want one in %d at least", what, t[what], n, in)
		}
	}
	for _, s := range simShares {
		share := 100 * float64(t[s.what]) / float64(max(1, t[s.of]))
		tb.Logf("%.1f %% of %s: %s", share, s.of, s.what)
		if share < float64(s.least) {
			tb.Errorf("%s: %d of %d %s, want %d %% at least", s.what, t[s.what], t[s.of], s.of, s.least)
		}
	}
}

// countDisplaced counts a record that takes the place of a living session's.
func (w *simWorld) countDisplaced(o *simSession, r utmpx.Record) {
	if o != nil && !o.proc.ended && o.rec.PID != r.PID {
		w.loses(o, "record displaced while its process lives")
	}
}

// countPut counts what a record that is put somewhere means to those there.
func (w *simWorld) countPut(data []byte, at int, r utmpx.Record) {
	if r.Type != utmpx.UserProcess {
		return
	}
	size := simLayout.Size()
	for off := 0; off+size <= len(data); off += size {
		o := w.byRaw[string(data[off:off+size])]
		if off == at {
			w.countDisplaced(o, r)
		}
		switch {
		case o == nil:
		case off != at && o.rec.Line == r.Line && r.Line != "":
			w.count("line in several records")
		case off == at && !o.lives() && o.judgedAt.Equal(time.Now()):
			w.count("slot reused between judgement and lock")
		case off == at && !o.lives():
			w.count("slot reused, its session dead")
		}
	}
	if r.Line == "" {
		w.count("record without a line")
	}
}
