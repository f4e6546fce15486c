// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// dbEntry is an entry as `wtmpdb last -j --time-format iso` of wtmpdb 0.73 prints it.
func dbEntry(user, line, host, login, logout string) string {
	iso := func(when string) string {
		if when[0] < '0' || when[0] > '9' {
			return when
		}
		return at(when).Format(wtmpdbTime)
	}
	return fmt.Sprintf("     { \"user\": %q,\n       \"tty\": %q,\n       \"hostname\": %q,\n       \"login\": %q,\n       \"logout\": %q\n     }",
		user, line, host, iso(login), iso(logout))
}

func entries(all ...string) string {
	return "{\n   \"entries\": [\n" + strings.Join(all, ",\n") + "\n   ],\n   \"start\": \"2026-06-30T00:00:00+0000\"\n}\n"
}

// withWtmpdb is a machine of whose sessions the log knows some, wtmpdb some, and both some.
func withWtmpdb(t *testing.T) *lab {
	l := newLab(t)
	out := func(line string, pid int32, when string) utmpx.Record {
		return utmpx.Record{Type: utmpx.DeadProcess, PID: pid, Line: line, Time: utmpx.TimeOf(at(when))}
	}
	bob := login("pts/3", 803, "11:00")
	bob.User = "bob"
	l.logs(
		system(utmpx.BootTime, "reboot", "08:00"),
		login("pts/0", 800, "09:00"), login("pts/5", 805, "09:10"), out("pts/5", 805, "09:15"), out("pts/0", 800, "10:00"),
		bob, out("pts/3", 803, "11:30"),
		login("pts/1", 801, "12:00"),
		login("pts/4", 804, "12:05"), out("pts/4", 804, "12:45"),
	)
	l.starts("one", "08:00")
	l.living = map[int32]bool{801: true}
	l.write("utmp", encode(t, system(utmpx.BootTime, "reboot", "08:00"), login("pts/1", 801, "12:00")))
	l.until("14:00")
	l.wtmpdb = entries(
		dbEntry("carol", "tty2", "", "13:00", "still logged in "),
		dbEntry("root", "pts/1", "", "12:10", "12:20"),                    // su in a session that is on
		dbEntry("alice", "pts/1", "desk", "12:00:02", "still logged in "), // both
		dbEntry("root", "pts/3", "", "11:00:20", "11:10"),                 // su at once
		dbEntry("bob", "pts/3", "desk", "11:00:01", "11:30"),              // both
		dbEntry("dave", "tty1", "", "10:30", "10:40:07"),                  // wtmpdb alone
		dbEntry("root", "pts/0", "", "09:30", "09:40"),                    // su
		dbEntry("alice", "ssh", "desk", "09:00:01", "10:00"),              // both, as PAM calls it
		dbEntry("reboot", "system boot", "6.12", "08:00", "still running "),
		dbEntry("erin", "tty3", "", "2026-06-30 20:00", "crash "),
		dbEntry("reboot", "system boot", "6.12", "2026-06-30 19:00", "2026-06-30 23:00"),
	)
	return l
}

// TestWtmpdb: a session that the log and wtmpdb know is shown once, one that wtmpdb alone
// knows at its place, and su and sudo within a session not at all.
func TestWtmpdb(t *testing.T) {
	l := withWtmpdb(t)
	brief := func(args ...string) (all []string) {
		for line := range strings.Lines(l.do(append([]string{"last", "-json"}, args...)...)) {
			s := toldIn(t, []byte(line))
			text := fmt.Sprintf("%s %s %s", s.Line, s.From.UTC().Format("15:04:05"), s.EndedBy)
			if s.To != nil {
				text += " " + s.To.UTC().Format("15:04:05")
			}
			if strings.Contains(line, `"known_from":"wtmpdb"`) {
				text += " wtmpdb"
			}
			all = append(all, text)
		}
		return all
	}
	all := []string{
		"tty2 13:00:00 gone wtmpdb",
		"pts/4 12:05:00 logout 12:45:00",
		"pts/1 12:00:00 still-on",
		"pts/3 11:00:00 logout 11:30:00",
		"tty1 10:30:00 logout 10:40:07 wtmpdb",
		"pts/5 09:10:00 logout 09:15:00",
		"pts/0 09:00:00 logout 10:00:00",
		"tty3 20:00:00 gone wtmpdb",
	}
	if diff := cmp.Diff(all, brief()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(all[:5], brief("-n", "5")); diff != "" {
		t.Errorf("-n 5 (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(all[4:7], brief("-since", day+"08:30", "-until", day+"10:50")); diff != "" {
		t.Errorf("-since (-want +got)\n%s", diff)
	}
	// The log says that bob's session was over by then; wtmpdb's entry of it is none of its own.
	l.wtmpdb = strings.Replace(l.wtmpdb, "11:30", "still", 1)
	if diff := cmp.Diff(all[:3], brief("-since", day+"12:40")); diff != "" {
		t.Errorf("-since (-want +got)\n%s", diff)
	}
	table := l.do("last")
	for _, want := range []string{"dave   tty1         2026-07-01 10:30:00  10:40:07", "logout, in wtmpdb\n", "gone, no logout, in wtmpdb\n", "\n8 sessions: 4 alice, 1 bob, 1 carol,"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if who := l.do("who", "-at", day+"10:35"); !strings.Contains(who, "dave") || strings.Contains(who, "alice") {
		t.Errorf("who -at:\n%s", who)
	}
	if report := l.do("report", "-since", day+"00:00"); !strings.Contains(report, "\ndave          1       10m07s ") {
		t.Errorf("report:\n%s", report)
	}
}

// TestWtmpdbOfAnOlderBoot: the reading of the log ends where its sessions are over. Of what is
// older wtmpdb is believed only if it knows the end: the log may have it, and know better.
func TestWtmpdbOfAnOlderBoot(t *testing.T) {
	l := withWtmpdb(t)
	l.write("wtmp", encode(t, system(utmpx.BootTime, "reboot", "2026-06-28 08:00"), login("pts/9", 700, "2026-06-28 09:00"),
		system(utmpx.BootTime, "reboot", "2026-06-29 08:00"), system(utmpx.BootTime, "reboot", "2026-06-30 08:00"), login("pts/0", 800, "09:00")))
	l.wtmpdb = entries(dbEntry("alice", "pts/9", "desk", "2026-06-28 09:00", "still logged in "))
	if out := l.do("last", "-json", "-since", day+"08:30"); strings.Contains(out, "pts/9") {
		t.Errorf("%s", out)
	}
}

// TestWtmpdbFails: what it says instead of JSON, and its failure, are told, and the log is
// shown.
func TestWtmpdbFails(t *testing.T) {
	l := withWtmpdb(t)
	for _, text := range []string{"{", entries(dbEntry("a", "b", "c", "now", "then"))} {
		l.wtmpdb = text
		status, out, errs := l.try("last")
		if status != 1 || !strings.Contains(out, "pts/4") || !strings.Contains(errs, "sessions that wtmpdb alone knows are not shown: ") {
			t.Errorf("status %d: %s%s", status, out, errs)
		}
	}
	m := l.machine()
	m.wtmpdb = func(context.Context) ([]byte, error) { return nil, errors.New("it is locked") }
	var out, errs strings.Builder
	if status := run(t.Context(), []string{"last", "-config", l.path("conf")}, &out, &errs, m); status != 1 || !strings.Contains(errs.String(), "it is locked") {
		t.Errorf("status %d: %s", status, &errs)
	}
	l.wtmpdb = entries()
	if got := l.do("last"); strings.Contains(got, "wtmpdb") {
		t.Errorf("an empty database: %s", got)
	}
}
