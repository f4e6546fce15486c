// SPDX-License-Identifier: BSD-2-Clause

package events

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// at is a moment of the day of the tests.
func at(s string) time.Time {
	form := "15:04:05"
	if len(s) == 5 {
		form = "15:04"
	}
	t, err := time.Parse(form, s)
	if err != nil {
		panic(err)
	}
	return time.Date(2026, 7, 1, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

func rec(t utmpx.Type, pid int32, line, user, host, when string) utmpx.Record {
	return utmpx.Record{Type: t, PID: pid, Line: line, User: user, Host: host, Time: utmpx.TimeOf(at(when))}
}

func userIn(line, user string, pid int32, when string) utmpx.Record {
	return rec(utmpx.UserProcess, pid, line, user, "ws7", when)
}

func userOut(line string, pid int32, when string) utmpx.Record {
	return rec(utmpx.DeadProcess, pid, line, "", "", when)
}

func closed(line string, pid int32, when string, within time.Duration) utmpx.Record {
	r := userOut(line, pid, when)
	r.Host = session.Mark(at(when), at(when).Add(-within))
	return r
}

func killed(line string, pid int32, when string, exit utmpx.Exit) utmpx.Record {
	r := userOut(line, pid, when)
	r.Exit = exit
	return r
}

func boot(when string) utmpx.Record     { return boots.BootRecord(at(when), "6.12") }
func shutdown(when string) utmpx.Record { return boots.ShutdownRecord(at(when), "6.12") }
func set(from, to string) []utmpx.Record {
	return []utmpx.Record{rec(utmpx.OldTime, 0, "|", "date", "", from), rec(utmpx.NewTime, 0, "{", "date", "", to)}
}

// all returns the events of records; place is a record's number.
func all(recs ...utmpx.Record) []Event { return with(nil, recs...) }

// with is all, beside a ledger.
func with(ledger []boots.Past, recs ...utmpx.Record) (out []Event) {
	s := NewStream()
	s.Ledger = ledger
	for i, r := range recs {
		s.Add(r, func() string { return fmt.Sprint(i) }, func(e Event) { out = append(out, e) })
	}
	return out
}

// show formats events, one a line.
func show(es []Event) string {
	var b strings.Builder
	clock := func(t time.Time) string {
		if t.IsZero() {
			return "?"
		}
		return t.UTC().Format("15:04:05")
	}
	for _, e := range es {
		fmt.Fprintf(&b, "%s %s %s%s", e.ID, e.Kind, clock(e.Time), whose(e))
		if !e.Exact {
			fmt.Fprintf(&b, " (%s to %s)", clock(e.Least), clock(e.Most))
		}
		if e.By != "" && e.Kind != Logout {
			fmt.Fprintf(&b, " by %s", e.By)
		}
		if e.Kind == Clock || e.Kind == Gap {
			fmt.Fprintf(&b, " %s to %s", clock(e.From), clock(e.To))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// whose formats the session of an event.
func whose(e Event) string {
	if e.Kind != Login && e.Kind != Logout {
		return ""
	}
	b := fmt.Sprintf(" %s %s %d", e.Session.Line, e.Session.User, e.Session.PID)
	if e.Kind == Logout {
		b += fmt.Sprintf(" %s", e.EndedBy)
	}
	if e.Lasted {
		b += fmt.Sprintf(" %v", e.Shortest)
	}
	if e.Lasted && e.Longest != e.Shortest {
		b += fmt.Sprintf("..%v", e.Longest)
	}
	if e.Signal != 0 || e.Status != 0 {
		b += fmt.Sprintf(" %d/%d", e.Signal, e.Status)
	}
	return b
}

// odd are the records of random logs other than logins and logouts.
var odd = []func(rng *rand.Rand, line string) utmpx.Record{
	func(*rand.Rand, string) utmpx.Record { return boots.BootRecord(time.Time{}, "6.12") },
	func(*rand.Rand, string) utmpx.Record { return boots.ShutdownRecord(time.Time{}, "6.12") },
	func(rng *rand.Rand, _ string) utmpx.Record {
		return boots.CrashRecord(time.Time{}, boots.Exactness{Known: rng.IntN(2) == 0, Within: time.Minute}, boots.FromHeartbeat)
	},
	func(*rand.Rand, string) utmpx.Record {
		return utmpx.Record{Type: utmpx.OldTime, Line: "|", User: "date"}
	},
	func(*rand.Rand, string) utmpx.Record {
		return utmpx.Record{Type: utmpx.NewTime, Line: "{", User: "date"}
	},
	func(*rand.Rand, string) utmpx.Record {
		return utmpx.Record{Type: utmpx.RunLevel, PID: '5' | 'N'<<8, Line: "~", User: "runlevel"}
	},
	func(*rand.Rand, string) utmpx.Record {
		return utmpx.Record{Type: utmpx.RunLevel, PID: '6' | '5'<<8, Line: "~", User: "runlevel"}
	},
	func(*rand.Rand, string) utmpx.Record { return utmpx.Record{Type: utmpx.InitProcess, ID: "si", PID: 7} },
	func(*rand.Rand, string) utmpx.Record { return utmpx.Record{Type: utmpx.DeadProcess, ID: "si", PID: 7} },
	func(*rand.Rand, string) utmpx.Record { // of OpenRC
		return utmpx.Record{Type: utmpx.RunLevel, ID: "~~", Line: "~", User: "reboot"}
	},
	func(_ *rand.Rand, line string) utmpx.Record {
		return utmpx.Record{Type: utmpx.LoginProcess, Line: line, User: "LOGIN"}
	},
	func(_ *rand.Rand, line string) utmpx.Record { return utmpx.Record{Type: utmpx.UserProcess, Line: line} },
}

// random returns the records of some days: logins, logouts, boots, crashes, clocks that are
// set, and what init writes.
func random(rng *rand.Rand, n int) (recs []utmpx.Record) {
	now := at("08:00")
	for range n {
		now = now.Add(time.Duration(rng.IntN(4000)) * time.Second)
		line := fmt.Sprint("pts/", rng.IntN(4))
		r := utmpx.Record{Type: utmpx.DeadProcess, PID: 100 + rng.Int32N(5), Line: line}
		switch k := rng.IntN(40); {
		case k < len(odd):
			r = odd[k](rng, line)
		case k%2 == 0:
			r.Type, r.User, r.Host = utmpx.UserProcess, "alice", "ws7\xff"
		}
		if r.Type == utmpx.NewTime {
			now = now.Add(time.Duration(rng.IntN(9000)-4500) * time.Second)
		}
		r.Time = utmpx.TimeOf(now)
		if rng.IntN(60) == 0 {
			r.Time = utmpx.Time{Sec: rng.Int64N(90000)} // a clock that was never set
		}
		recs = append(recs, r)
	}
	return recs
}
