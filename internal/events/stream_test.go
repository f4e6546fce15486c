// SPDX-License-Identifier: BSD-2-Clause

package events

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

func TestStream(t *testing.T) {
	for _, c := range []struct {
		name string
		recs []utmpx.Record
		want string
	}{
		{"a day", []utmpx.Record{boot("08:00"), userIn("pts/0", "alice", 7, "08:10"), userIn("pts/1", "bob", 8, "08:20"),
			userOut("pts/0", 7, "09:00"), shutdown("10:00"), userOut("pts/1", 8, "10:00"), boot("10:05")}, `
0 boot 08:00:00
1 login 08:10:00 pts/0 alice 7
2 login 08:20:00 pts/1 bob 8
3 logout 09:00:00 pts/0 alice 7 logout 50m0s
4 shutdown 10:00:00
4/1782894000.000000:8:pts/1 logout 10:00:00 pts/1 bob 8 shutdown 1h40m0s
6 boot 10:05:00
`},
		{"endings", []utmpx.Record{boot("08:00"), userIn("pts/0", "a", 1, "08:10"), killed("pts/0", 1, "08:20", utmpx.Exit{Termination: 9}),
			userIn("pts/0", "b", 2, "08:30"), killed("pts/0", 2, "08:40", utmpx.Exit{Exit: 3}),
			userIn("pts/0", "c", 3, "08:50"), closed("pts/0", 3, "09:00", 90*time.Second),
			userIn("pts/0", "d", 4, "09:10"), closed("pts/0", 4, "09:20", 0),
			userIn("pts/0", "e", 5, "09:30"), closed("pts/0", 5, "09:31", time.Hour),
			userIn("pts/0", "f", 6, "09:40"), userIn("pts/0", "g", 7, "09:50"), userOut("pts/0", 7, "09:55"), userOut("pts/0", 7, "09:56")}, `
0 boot 08:00:00
1 login 08:10:00 pts/0 a 1
2 logout 08:20:00 pts/0 a 1 killed 10m0s 9/0
3 login 08:30:00 pts/0 b 2
4 logout 08:40:00 pts/0 b 2 logout 10m0s 0/3
5 login 08:50:00 pts/0 c 3
6 logout 09:00:00 pts/0 c 3 utmpd 8m30s..10m0s (08:58:30 to 09:00:00)
7 login 09:10:00 pts/0 d 4
8 logout 09:20:00 pts/0 d 4 utmpd 10m0s
9 login 09:30:00 pts/0 e 5
10 logout 09:31:00 pts/0 e 5 utmpd 0s..1m0s (09:30:00 to 09:31:00)
11 login 09:40:00 pts/0 f 6
12/1782898800.000000:6:pts/0 logout 09:50:00 pts/0 f 6 replaced 0s..10m0s (09:40:00 to 09:50:00)
12 login 09:50:00 pts/0 g 7
13 logout 09:55:00 pts/0 g 7 logout 5m0s
`},
		{"a crash that a record tells", []utmpx.Record{boot("08:00"), userIn("pts/0", "a", 1, "08:10"),
			boots.CrashRecord(at("09:00"), boots.Exactness{Known: true, Within: time.Minute}, boots.FromHeartbeat), boot("09:30")}, `
0 boot 08:00:00
1 login 08:10:00 pts/0 a 1
2 crash 09:00:00 (09:00:00 to 09:01:00) by heartbeat
2/1782893400.000000:1:pts/0 logout 09:00:00 pts/0 a 1 crash 50m0s..51m0s (09:00:00 to 09:01:00)
3 boot 09:30:00
`},
		{"a crash that nothing tells", []utmpx.Record{boot("08:00"), userIn("pts/0", "a", 1, "08:10"), userIn("pts/1", "b", 2, "08:20"),
			boot("09:30"), boot("09:30")}, `
0 boot 08:00:00
1 login 08:10:00 pts/0 a 1
2 login 08:20:00 pts/1 b 2
3/crash crash 08:20:00 (08:20:00 to 09:30:00) by last-record
3/1782893400.000000:1:pts/0 logout 08:20:00 pts/0 a 1 crash 10m0s..1h20m0s (08:20:00 to 09:30:00)
3/1782894000.000000:2:pts/1 logout 08:20:00 pts/1 b 2 crash 0s..1h10m0s (08:20:00 to 09:30:00)
3 boot 09:30:00
`},
		{"ends recorded twice, and late", []utmpx.Record{boot("08:00"), rec(utmpx.RunLevel, '6'|'5'<<8, "~", "runlevel", "", "09:00"), shutdown("09:01"),
			boot("09:30"), boots.LateShutdownRecord(at("10:00"), boots.FromLedger), boot("11:00")}, `
0 boot 08:00:00
1 shutdown 09:00:00
3 boot 09:30:00
4 shutdown 10:00:00 by ledger
5 boot 11:00:00
`},
		{"the clock is set", slices.Concat([]utmpx.Record{boot("08:00"), userIn("pts/0", "a", 1, "08:10")}, set("08:20", "11:20"),
			[]utmpx.Record{userOut("pts/0", 1, "11:30")}, set("11:30", "08:30")[1:]), `
0 boot 08:00:00
1 login 08:10:00 pts/0 a 1
3 clock 11:20:00 08:20:00 to 11:20:00
4 logout 11:30:00 pts/0 a 1 logout 20m0s
5 clock 08:30:00 ? to 08:30:00
`},
		{"the log begins in the middle", []utmpx.Record{userOut("pts/0", 1, "08:00"), userOut("pts/0", 1, "08:01"), userIn("pts/0", "a", 2, "08:10"),
			userOut("pts/0", 2, "08:20"), userOut("pts/0", 2, "08:21"), boot("09:00"), userOut("pts/1", 3, "09:10")}, `
0 logout 08:00:00 pts/0  1 logout
2 login 08:10:00 pts/0 a 2
3 logout 08:20:00 pts/0 a 2 logout 10m0s
5/crash crash 08:21:00 (08:21:00 to 09:00:00) by last-record
5 boot 09:00:00
`},
		{"recorded twice", []utmpx.Record{boot("08:00"), userIn("pts/0", "a", 1, "08:10"), userIn("pts/0", "a", 1, "08:10"), userOut("pts/0", 1, "08:20")}, `
0 boot 08:00:00
1 login 08:10:00 pts/0 a 1
3 logout 08:20:00 pts/0 a 1 logout 10m0s
`},
		{"sysvinit writes before the boot", []utmpx.Record{boot("08:00"), userIn("pts/0", "a", 1, "08:10"), rec(utmpx.DeadProcess, 9, "", "", "", "09:30"), boot("09:30")}, `
0 boot 08:00:00
1 login 08:10:00 pts/0 a 1
3/crash crash 08:10:00 (08:10:00 to 09:30:00) by last-record
3/1782893400.000000:1:pts/0 logout 08:10:00 pts/0 a 1 crash 0s..1h20m0s (08:10:00 to 09:30:00)
3 boot 09:30:00
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, "\n"+show(all(c.recs...))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestDamage: after lost records, a logout is surely that of a login only if its process says
// so, and no crash is claimed.
func TestDamage(t *testing.T) {
	var got []Event
	s := NewStream()
	n := 0
	add := func(recs ...utmpx.Record) {
		for _, r := range recs {
			id := fmt.Sprint(n)
			s.Add(r, func() string { return id }, func(e Event) { got = append(got, e) })
			n++
		}
	}
	add(boot("08:00"), userIn("pts/0", "a", 1, "08:10"), userIn("pts/1", "b", 2, "08:20"), userIn("pts/2", "c", 3, "08:30"))
	got = append(got, s.Lost(at("08:30"), at("09:00"), "gap"))
	add(userOut("pts/0", 1, "09:00"), userOut("pts/1", 77, "09:10"), userOut("pts/3", 5, "09:20"), userOut("pts/3", 5, "09:21"))
	s.Damage()
	add(boot("11:00"))
	want := `
0 boot 08:00:00
1 login 08:10:00 pts/0 a 1
2 login 08:20:00 pts/1 b 2
3 login 08:30:00 pts/2 c 3
gap gap 08:30:00 (? to ?) 08:30:00 to 09:00:00
4 logout 09:00:00 pts/0 a 1 logout 50m0s
5 logout 09:10:00 pts/1 b 2 unknown 0s..50m0s (08:20:00 to 09:10:00)
6 logout 09:20:00 pts/3  5 logout
8/1782894600.000000:3:pts/2 logout 11:00:00 pts/2 c 3 unknown 0s..2h30m0s (08:30:00 to 11:00:00)
8 boot 11:00:00
`
	if diff := cmp.Diff(want, "\n"+show(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestLedger: what only the ledger knows is told when the next boot is, and nothing is told
// twice.
func TestLedger(t *testing.T) {
	past := func(from, to string, end boots.End, within time.Duration) boots.Past {
		return boots.Past{Boot: from, From: at(from), To: at(to), Up: at(to).Sub(at(from)), Slept: -1, End: end,
			Exact: boots.Exactness{Known: true, Within: within}, By: boots.FromHeartbeat}
	}
	ledger := []boots.Past{
		past("06:00", "07:00", boots.ShutDown, 0), // before the log begins
		past("08:00", "09:00", boots.Crashed, time.Minute),
		past("10:00", "11:00", boots.ShutDown, 0),
		past("12:00", "13:00", boots.Crashed, time.Minute),
		past("14:00", "15:00", boots.ShutDown, 0), // the log has it
		past("16:00", "17:00", boots.ShutDown, 0), // no later boot is recorded
	}
	got := with(ledger, boot("08:00"), userIn("pts/0", "a", 1, "08:10"), boot("14:00"), shutdown("15:00"), boot("15:30"))
	want := `
0 boot 08:00:00
1 login 08:10:00 pts/0 a 1
2/crash crash 09:00:00 (09:00:00 to 09:01:00) by heartbeat
2/1782893400.000000:1:pts/0 logout 09:00:00 pts/0 a 1 crash 50m0s..51m0s (09:00:00 to 09:01:00)
2/ledger/1782900000 boot 10:00:00 by ledger
2/ledger/1782900000/shutdown shutdown 11:00:00 by ledger
2/ledger/1782907200 boot 12:00:00 by ledger
2/ledger/1782907200/crash crash 13:00:00 (13:00:00 to 13:01:00) by heartbeat
2 boot 14:00:00
3 shutdown 15:00:00
4 boot 15:30:00
`
	if diff := cmp.Diff(want, "\n"+show(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestResume: a Stream that is saved and restored after each record tells the same, event
// by event.
func TestResume(t *testing.T) {
	for seed := range uint64(100) {
		recs := random(rand.New(rand.NewPCG(seed, 1)), 120)
		want := all(recs...)
		var got []Event
		s := NewStream()
		for i, r := range recs {
			s.Add(r, func() string { return fmt.Sprint(i) }, func(e Event) { got = append(got, e) })
			saved, err := s.Save()
			if err != nil {
				t.Fatal(err)
			}
			if s, err = Restore(saved); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(show(want), show(got)); diff != "" {
			t.Fatalf("seed %d (-want +got)\n%s", seed, diff)
		}
	}
}

// TestClockSetInAGap: a record after lost ones is earlier than a login before them. The
// session did not end before it began.
func TestClockSetInAGap(t *testing.T) {
	for _, r := range []utmpx.Record{boot("07:00"), shutdown("07:00"), userIn("pts/0", "bob", 8, "07:00"), userOut("pts/0", 9, "07:00")} {
		s := NewStream()
		var got []Event
		add := func(r utmpx.Record) {
			s.Add(r, func() string { return "place" }, func(e Event) { got = append(got, e) })
		}
		add(boot("08:00"))
		add(userIn("pts/0", "ann", 7, "08:10"))
		s.Lost(at("08:10"), time.Time{}, "gap")
		got = nil
		add(r)
		i := slices.IndexFunc(got, func(e Event) bool { return e.Kind == Logout })
		if i < 0 {
			t.Fatalf("no end: %s", show(got))
		}
		if e := got[i]; e.EndedBy != sessions.Unknown || !e.Time.Equal(at("08:10")) || e.Exact || !e.Least.Equal(at("08:10")) || !e.Most.IsZero() {
			t.Errorf("%s: %s", r.Type, show(got))
		}
	}
}

// TestBoots: the boots and their ends are those that package boots finds.
func TestBoots(t *testing.T) {
	for seed := range uint64(500) {
		recs := random(rand.New(rand.NewPCG(seed, 2)), 100)
		var h boots.History
		for _, r := range recs {
			h.Add(r)
		}
		began, crashed, found := 0, 0, h.Boots()
		for _, b := range found {
			if b.Recorded {
				began++
			}
			if b.End == boots.Crashed && !b.EndRecorded {
				crashed++
			}
		}
		for _, e := range all(recs...) {
			switch {
			case e.Kind == Boot:
				began--
			case e.Kind == Crash && strings.HasSuffix(e.ID, "/crash"):
				crashed--
			}
		}
		if began != 0 || crashed != 0 {
			t.Fatalf("seed %d: %d boots and %d crashes are missing or too many", seed, began, crashed)
		}
	}
}

// TestSessions: the sessions that end are those that package sessions finds.
func TestSessions(t *testing.T) {
	for seed := range uint64(500) {
		recs := random(rand.New(rand.NewPCG(seed, 5)), 100)
		f := sessions.NewForward()
		var want []string
		for _, r := range recs {
			for _, s := range f.Add(&r) {
				want = append(want, fmt.Sprint(s.Login.Line, s.Login.User, s.End, s.To, s.Exact, s.Least, s.Most, s.Exit))
			}
		}
		var got []string
		for _, e := range all(recs...) {
			if e.Kind == Logout && e.Session.ID != "" {
				got = append(got, fmt.Sprint(e.Session.Line, e.Session.User, e.EndedBy, e.Time, e.Exact, e.Least, e.Most, utmpx.Exit{Termination: e.Signal, Exit: e.Status}))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d (-want +got)\n%s", seed, diff)
		}
	}
}

// TestPaired: every login is the beginning of one session, and a session ends once at most,
// after its login, with its ID; all IDs differ.
func TestPaired(t *testing.T) {
	for seed := range uint64(500) {
		open, ids := map[string]bool{}, map[string]bool{}
		for _, e := range all(random(rand.New(rand.NewPCG(seed, 3)), 100)...) {
			if ids[e.ID] {
				t.Fatalf("seed %d: two events have the ID %s", seed, e.ID)
			}
			ids[e.ID] = true
			switch {
			case e.Kind == Login:
				open[e.Session.ID] = true
			case e.Kind == Logout && e.Session.ID != "":
				if !open[e.Session.ID] {
					t.Fatalf("seed %d: %s ends twice, or did not begin", seed, e.Session.ID)
				}
				delete(open, e.Session.ID)
			case e.Kind == Boot || e.Kind == Shutdown:
				continue
			}
			if !e.Exact && e.Kind != Gap && !e.Most.IsZero() && e.Most.Before(e.Least) {
				t.Fatalf("seed %d: %s", seed, show([]Event{e}))
			}
		}
	}
}

// TestForget: of more open sessions than are kept, the oldest are forgotten. The logout of
// one is told as that of a login that is not known.
func TestForget(t *testing.T) {
	s := NewStream()
	var got []Event
	add := func(r utmpx.Record) {
		got = got[:0]
		s.Add(r, func() string { return "place" }, func(e Event) { got = append(got, e) })
	}
	add(utmpx.Record{Type: utmpx.BootTime, Line: "~", User: "reboot", Time: utmpx.Time{Sec: 1_700_000_000}})
	login := func(i int) utmpx.Record {
		return utmpx.Record{Type: utmpx.UserProcess, Line: fmt.Sprint("ftp", i), ID: "f", User: "ann", PID: 5, Time: utmpx.Time{Sec: 1_700_000_000 + int64(i)}}
	}
	for i := range mostOpen + 10 {
		add(login(i))
	}
	if n := len(s.sessions.Open()); n > mostOpen {
		t.Fatalf("it keeps %d sessions", n)
	}
	logout := func(i int) utmpx.Record {
		r := login(i)
		r.Type, r.User = utmpx.DeadProcess, ""
		return r
	}
	for _, c := range []struct {
		of    int
		known bool
	}{{0, false}, {mostOpen, true}} {
		if add(logout(c.of)); len(got) != 1 || got[0].Kind != Logout || got[0].Session.ID != "" != c.known {
			t.Errorf("the logout of session %d: %v", c.of, got)
		}
		if add(logout(c.of)); len(got) != 0 {
			t.Errorf("the same again: %v", got)
		}
	}
}

func TestSessionID(t *testing.T) {
	for _, c := range []struct {
		at   utmpx.Time
		line string
		want string
	}{
		{utmpx.Time{Sec: 1, Usec: 20}, "pts/0", "1.000020:7:pts/0"},
		{utmpx.Time{Sec: -1, Usec: 999_999}, "a b%\"\\\x7fü", "-1.999999:7:a%20b%25%22%5C%7F%C3%BC"},
		{utmpx.Time{Usec: -5}, "", "0.-00005:7:"},
		{utmpx.Time{Usec: 1_000_000}, "", "0.1000000:7:"},
	} {
		if got := sessionID(c.at, 7, c.line); got != c.want {
			t.Errorf("%v %q: %s, want %s", c.at, c.line, got, c.want)
		}
	}
}
