// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// reportedWeek is a machine with a crash, and with sessions of all kinds.
func reportedWeek(t *testing.T) *lab {
	l := newLab(t)
	user := func(name, line string, pid int32, when string) utmpx.Record {
		r := login(line, pid, when)
		r.User = name
		return r
	}
	out := func(line string, when string) utmpx.Record {
		return utmpx.Record{Type: utmpx.DeadProcess, PID: 900, Line: line, Time: utmpx.TimeOf(at(when))}
	}
	l.logs(
		system(utmpx.BootTime, "reboot", "2026-06-20 08:00"),
		user("bob", "pts/1", 800, "2026-06-21 09:00"), out("pts/1", "2026-06-21 10:00"), // before the week
		user("alice", "pts/2", 900, "2026-06-30 20:00"), out("pts/2", "2026-07-01 02:00"),
		user("alice", "pts/0", 900, "2026-07-01 09:00"), out("pts/0", "2026-07-01 10:30"),
		user("carol\x1b[2J", "pts/1", 901, "2026-07-01 11:00"),
		utmpx.Record{Type: utmpx.RunLevel, Line: "~", ID: "~~", User: "shutdown", Host: "crash+60s,heartbeat", Time: utmpx.TimeOf(at("2026-07-01 12:00"))},
		system(utmpx.BootTime, "reboot", "2026-07-01 13:00"),
		user("alice", "pts/0", 902, "2026-07-01 14:00"),
	)
	l.starts("two", "2026-07-01 13:00")
	l.living = map[int32]bool{902: true}
	l.write("utmp", encode(t, system(utmpx.BootTime, "reboot", "13:00"), user("alice", "pts/0", 902, "14:00")))
	l.until("2026-07-01 16:00")
	return l
}

func TestReport(t *testing.T) {
	t.Setenv("TZ", "UTC")
	l := reportedWeek(t)
	got := l.do("report", "-since", "2026-07-01")
	want := `2026-07-01 00:00:00 to 2026-07-01 16:00:00 (UTC)

2026-07-01 00:00:00 to 2026-07-01 16:00:00: 2 boots, 1 crash;
up 15h00m, down 59m00s, unknown 1m00s; available 93.750 to 93.854 %

4 sessions: 2 logout, 1 crash, 1 still-on

USER          SESSIONS          ON FOR  NOW ON  LAST LOGIN
alice                3           5h30m       1  2026-07-01 14:00:00
carol\x1b[2J         1  1h00m to 1h01m       0  2026-07-01 11:00:00
2 users: 6h30m to 6h31m
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := l.do("report"); !strings.HasPrefix(got, "2026-06-24 16:00:00 to 2026-07-01 16:00:00 (UTC)\n") || strings.Contains(got, "bob") {
		t.Errorf("without -since:\n%s", got)
	}
	if got := l.do("report", "-since", "2026-05-01", "-until", "2026-05-03"); !strings.HasSuffix(got, "\nno sessions\n") {
		t.Errorf("before the log:\n%s", got)
	}
	if status, _, errs := l.try("report", "-since", "2026-07-02"); status != 2 || !strings.Contains(errs, "-since is yet to come") {
		t.Errorf("status %d: %s", status, errs)
	}
}

// TestReportAgrees holds that a report says what downtime and last say, to the second, over
// random times.
func TestReportAgrees(t *testing.T) {
	t.Setenv("TZ", "UTC")
	l := reportedWeek(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		since := at("2026-06-20 00:00").Add(time.Duration(rnd.Int64N(int64(11 * 24 * time.Hour)))).Truncate(time.Second)
		until := since.Add(time.Duration(rnd.Int64N(int64(3 * 24 * time.Hour)))).Truncate(time.Second)
		if until.After(l.clock) {
			until = l.clock
		}
		span := []string{"-since", since.Format(time.RFC3339), "-until", until.Format(time.RFC3339)}
		got := l.do(append([]string{"report"}, span...)...)
		_, sum, _ := strings.Cut(l.do(append([]string{"downtime"}, span...)...), "\n\n")
		if sum != "" && !strings.Contains(got, sum) {
			t.Fatalf("%v: downtime says\n%s\nthe report\n%s", span, sum, got)
		}
		reportAgreesAsJSON(t, l, span)
		n := strings.Count(l.do(append([]string{"last", "-json"}, span...)...), "\n")
		if want := fmt.Sprintf("\n%s", count(n, "session", "sessions")); n > 0 && !strings.Contains(got, want+": ") || n == 0 && !strings.Contains(got, "\nno sessions\n") {
			t.Fatalf("%v: last shows %d sessions, the report\n%s", span, n, got)
		}
	}
	var all usage
	for line := range strings.Lines(l.do("last", "-json")) {
		var s struct {
			Least float64 `json:"lasted_least_seconds"`
			Most  float64 `json:"lasted_most_seconds"`
		}
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		all.least += time.Duration(s.Least * float64(time.Second))
		all.most += time.Duration(s.Most * float64(time.Second))
	}
	if got, want := l.do("report", "-since", "2026-06-20"), "\n3 users: "+all.length()+"\n"; all.least == 0 || !strings.HasSuffix(got, want) {
		t.Errorf("last says %s, the report\n%s", want, got)
	}
}

// reportAgreesAsJSON holds that the report says of a span what downtime and last -count say.
func reportAgreesAsJSON(t *testing.T, l *lab, span []string) {
	t.Helper()
	var got struct {
		Boots    json.RawMessage
		Sessions struct{ Sessions int }
		Users    []struct {
			User     string
			Sessions int
		}
	}
	var down struct{ Total json.RawMessage }
	var last struct {
		Sessions int
		Users    map[string]int
	}
	for command, to := range map[string]any{"report -json": &got, "downtime -json": &down, "last -count -json": &last} {
		if err := json.Unmarshal([]byte(l.do(append(strings.Fields(command), span...)...)), to); err != nil {
			t.Fatal(command, err)
		}
	}
	if diff := cmp.Diff(string(down.Total), string(got.Boots)); diff != "" {
		t.Errorf("%v: boots (-downtime +report)\n%s", span, diff)
	}
	users := map[string]int{}
	for _, u := range got.Users {
		users[u.User] = u.Sessions
	}
	if diff := cmp.Diff(last.Users, users); diff != "" || last.Sessions != got.Sessions.Sessions {
		t.Errorf("%v: %d sessions, last shows %d; users (-last +report)\n%s", span, got.Sessions.Sessions, last.Sessions, diff)
	}
}

// TestLeastIsNeverMore: the least that somebody was on is rounded down, and the most up: 2m47.9s
// are no 2m48s at least.
func TestLeastIsNeverMore(t *testing.T) {
	u := usage{sessions: 1, least: 167_900 * time.Millisecond, most: 167_901 * time.Millisecond}
	if got := u.length(); got != "2m47s to 2m48s" {
		t.Errorf("text: %s", got)
	}
	if got := u.onFor(); !strings.Contains(got, ">2m47s<") || !strings.Contains(got, ">2m48s<") || !strings.Contains(got, "PT167.9S") {
		t.Errorf("page: %s", got)
	}
	u.most = u.least
	if got := u.length(); got != "2m48s" {
		t.Errorf("exact: %s", got)
	}
}
