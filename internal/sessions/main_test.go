// SPDX-License-Identifier: BSD-2-Clause

package sessions

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/utmpx"
)

// day is that of the tests' records.
var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// at returns a time of that day.
func at(clock string) utmpx.Time {
	t, err := time.Parse("15:04:05", clock)
	if err != nil {
		if t, err = time.Parse("15:04", clock); err != nil {
			panic(err)
		}
	}
	return utmpx.Time{Sec: day.Unix() + int64(t.Hour()*3600+t.Minute()*60+t.Second())}
}

// log parses records, one a line: "12:00 in pts/0 ann 100", and "damage".
func parse(t testing.TB, text string) []*utmpx.Record {
	var all []*utmpx.Record
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		switch {
		case len(w) == 0:
			continue
		case w[0] == "damage":
			all = append(all, nil)
			continue
		}
		r, err := record(w)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, &r)
	}
	return all
}

func record(w []string) (r utmpx.Record, err error) {
	when := at(w[0])
	pid := func(i int) {
		if len(w) > i {
			_, err = fmt.Sscan(w[i], &r.PID)
		}
	}
	switch w[1] {
	case "in":
		r.Type, r.Line, r.User, r.Host = utmpx.UserProcess, w[2], w[3], "client"
		pid(4)
		r.ID = w[2][max(0, len(w[2])-4):]
	case "out":
		r.Type, r.Line = utmpx.DeadProcess, w[2]
		pid(3)
	case "killed":
		r.Type, r.Line, r.Exit.Termination = utmpx.DeadProcess, w[2], 9
		pid(3)
	case "utmpd":
		r.Type, r.Line, r.Host = utmpx.DeadProcess, w[2], w[4]
		pid(3)
	case "getty":
		r.Type, r.Line, r.User = utmpx.LoginProcess, w[2], "LOGIN"
		pid(3)
	case "dead": // without a line
		r.Type, r.ID = utmpx.DeadProcess, w[2]
		pid(3)
	case "init":
		r.Type, r.ID, r.PID = utmpx.DeadProcess, "si", 77
	case "boot":
		r = boots.BootRecord(when.Time(), "6.1")
	case "shutdown":
		r = boots.ShutdownRecord(when.Time(), "6.1")
	case "crash":
		r = boots.ShutdownRecord(when.Time(), w[2])
	case "old":
		r.Type, r.Line = utmpx.OldTime, "|"
	case "new":
		r.Type, r.Line = utmpx.NewTime, "{"
	default:
		return r, fmt.Errorf("no such record")
	}
	r.Time = when
	return r, err
}

func backward(all []*utmpx.Record, alive func(*utmpx.Record) bool) (found []Session, b *Backward) {
	b = NewBackward(alive)
	for _, r := range slices.Backward(all) {
		if r == nil {
			b.Damage()
		} else if s, ok := b.Add(r); ok {
			found = append(found, s)
		}
	}
	return found, b
}

func forward(all []*utmpx.Record) (found []Session) {
	f := NewForward()
	for _, r := range all {
		if r == nil {
			f.Damage()
		} else {
			found = append(found, f.Add(r)...)
		}
	}
	return append(found, f.Open()...)
}

// clock formats a time of the tests' day.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return strings.TrimSuffix(t.UTC().Format("15:04:05"), ":00")
}

// short returns a session in a few words: user, line, from, ending, and when it ended.
func short(s Session) string {
	text := fmt.Sprintf("%s %s %s %s", s.Login.User, s.Login.Line, clock(s.From), s.End)
	if s.Exact {
		text += " " + clock(s.To)
	} else {
		text += fmt.Sprintf(" %s..%s", clock(s.Least), clock(s.Most))
	}
	if least, most, ok := s.Lasted(day); ok && least == most {
		text += " " + least.String()
	}
	return text
}
