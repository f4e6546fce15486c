// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// damaged returns the boots of records; a record without a type is damage.
func damaged(recs ...utmpx.Record) []Boot {
	var h History
	for _, r := range recs {
		if r == (utmpx.Record{}) {
			h.Damage()
		} else {
			h.Add(r)
		}
	}
	return h.Boots()
}

// claimed describes periods by what is claimed of them.
func claimed(ps []Period) (all []string) {
	for _, p := range ps {
		t := p.From.Format("15:04") + " " + p.To.Format("15:04") + " " + p.End.String()
		if p.Holed() || p.Damaged {
			t += ", damaged"
		}
		if p.UpKnown {
			t += ", up " + map[bool]string{true: "> "}[p.UpLeast] + p.UpFor.String()
		}
		if p.DownKnown {
			t += ", down " + map[bool]string{true: "< "}[p.DownMost || !p.Exact.Known] + p.DownFor.String()
		}
		all = append(all, t)
	}
	return all
}

// TestHole: what is between the records of one boot, as it seems, may be its end and the
// beginning of the next one, if the log is damaged there.
func TestHole(t *testing.T) {
	hole := utmpx.Record{}
	past := func(from, to string, end End) Past {
		return Past{Boot: from, From: at(from), To: at(to), Up: at(to).Sub(at(from)), End: end, Exact: Exactness{Known: true}}
	}
	across := []utmpx.Record{boot("08:00"), login("pts/0", "09:00"), hole, login("pts/1", "11:00"), shutdown("12:00"), boot("13:00")}
	for _, tt := range []struct {
		name    string
		recs    []utmpx.Record
		ledger  []Past
		want    string
		unknown time.Duration
	}{
		{"before a login", across, nil,
			"08:00 12:00 shut down, damaged, up > 2h0m0s, down 1h0m0s\n13:00 13:00 open, up 0s", 2 * time.Hour},
		{"before the record of the shutdown", []utmpx.Record{boot("08:00"), login("pts/0", "09:00"), hole, shutdown("12:00"), boot("13:00")}, nil,
			"08:00 12:00 shut down, damaged, up > 1h0m0s, down 1h0m0s\n13:00 13:00 open, up 0s", 3 * time.Hour},
		{"before a crash that was found later", []utmpx.Record{boot("08:00"), login("pts/0", "09:00"), hole, crash(0, true, FromHeartbeat, "12:00"), boot("13:00")}, nil,
			"08:00 12:00 crashed, damaged, up > 1h0m0s, down < 1h0m0s\n13:00 13:00 open, up 0s", 4 * time.Hour},
		{"before a step of the clock", []utmpx.Record{boot("08:00"), login("pts/0", "09:00"), hole, clock(utmpx.OldTime, "11:00"), clock(utmpx.NewTime, "11:30"), shutdown("12:00"), boot("13:00")}, nil,
			"08:00 12:00 shut down, damaged, up > 1h30m0s, down 1h0m0s\n13:00 13:00 open, up 0s", 2 * time.Hour},
		{"twice", []utmpx.Record{boot("08:00"), hole, login("pts/0", "09:00"), login("pts/0", "09:30"), hole, login("pts/1", "11:00"), shutdown("12:00"), boot("13:00")}, nil,
			"08:00 12:00 shut down, damaged, up > 1h30m0s, down 1h0m0s\n13:00 13:00 open, up 0s", 2*time.Hour + 30*time.Minute},
		{"after the end", []utmpx.Record{boot("08:00"), shutdown("12:00"), hole, boot("13:00")}, nil,
			"08:00 12:00 shut down, up 4h0m0s, down < 1h0m0s\n13:00 13:00 open, up 0s", time.Hour},
		{"between two records of an end", []utmpx.Record{boot("08:00"), shutdown("09:00"), hole, shutdown("12:00"), boot("13:00")}, nil,
			"08:00 12:00 shut down, damaged, up > 1h0m0s, down 1h0m0s\n13:00 13:00 open, up 0s", 3 * time.Hour},
		{"a logout of before behind it", []utmpx.Record{boot("08:00"), login("pts/0", "09:00"), hole, logout("pts/0", "09:30"), boot("13:00")}, nil,
			"08:00 09:00 open, damaged, up 1h0m0s, down < 4h0m0s\n13:00 13:00 open, up 0s", 4 * time.Hour},
		{"the ledger knows that it went on", across, []Past{past("08:00", "12:00", ShutDown)},
			"08:00 12:00 shut down, up 4h0m0s, down 1h0m0s\n13:00 13:00 open, up 0s", 0},
		{"the ledger knows one that began behind the record", across, []Past{past("08:01", "12:00", ShutDown)},
			"08:00 12:00 shut down, damaged, up > 2h0m0s, down 1h0m0s\n13:00 13:00 open, up 0s", 2 * time.Hour},
		{"the ledger knows one that began behind the last record", []utmpx.Record{boot("08:00"), hole, boot("13:00")}, []Past{past("08:01", "12:00", Crashed)},
			"08:00 08:00 open, damaged, up 0s, down < 5h0m0s\n13:00 13:00 open, up 0s", 5 * time.Hour},
		{"before the record of a first run level", []utmpx.Record{boot("08:00"), login("pts/0", "09:00"), hole, {Type: utmpx.RunLevel, PID: 'N'<<8 | '2', Line: "~", User: "runlevel", Time: utmpx.TimeOf(at("11:00"))}, shutdown("12:00"), boot("13:00")}, nil,
			"08:00 12:00 shut down, damaged, up > 2h0m0s, down 1h0m0s\n13:00 13:00 open, up 0s", 2 * time.Hour},
		{"the ledger knows that the clock was set behind the record", []utmpx.Record{boot("08:00:05"), hole, boot("13:00")},
			[]Past{{Boot: "a", From: at("08:00"), To: at("12:00"), Up: time.Hour, End: Crashed, Exact: Exactness{Known: true}}},
			"08:00 12:00 crashed, damaged, up 1h0m0s, down < 1h0m0s\n13:00 13:00 open, up 0s", 1 * time.Hour},
		{"the ledger knows that it ended", across, []Past{past("08:00", "10:00", Crashed), past("10:30", "12:00", ShutDown)},
			"08:00 10:00 crashed, damaged, up 2h0m0s, down < 30m0s\n10:30 12:00 shut down, up 1h30m0s, down 1h0m0s\n13:00 13:00 open, up 0s", 30 * time.Minute},
		{"the ledger knows of the second alone", across, []Past{past("10:30", "12:00", ShutDown)},
			"08:00 09:00 open, damaged, up 1h0m0s, down < 1h30m0s\n10:30 12:00 shut down, up 1h30m0s, down 1h0m0s\n13:00 13:00 open, up 0s", 90 * time.Minute},
		{"the ledger knows three", across, []Past{past("08:00", "09:10", ShutDown), past("09:20", "09:30", Crashed), past("10:30", "12:00", ShutDown)},
			"08:00 09:10 shut down, damaged, up 1h10m0s, down < 10m0s\n09:20 09:30 crashed, up 10m0s, down < 1h0m0s\n10:30 12:00 shut down, up 1h30m0s, down 1h0m0s\n13:00 13:00 open, up 0s", 70 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, _ := Amend(damaged(tt.recs...), tt.ledger, nil)
			ps, sum := Periods(all, time.Time{}, time.Time{}, nil)
			if diff := cmp.Diff(strings.Split(tt.want, "\n"), claimed(ps)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if sum.Unknown != tt.unknown {
				t.Errorf("unknown for %v, want %v", sum.Unknown, tt.unknown)
			}
		})
	}
}

// TestHoleInPart: of a boot with damage in it, only what is sure counts between two limits.
func TestHoleInPart(t *testing.T) {
	all := damaged(boot("08:00"), login("pts/0", "09:00"), utmpx.Record{}, login("pts/1", "11:00"), shutdown("12:00"))
	for _, tt := range []struct {
		since, until string
		up           time.Duration
	}{
		{"08:30", "11:30", time.Hour}, {"09:30", "10:30", 0}, {"10:00", "11:30", 30 * time.Minute}, {"08:10", "09:30", 50 * time.Minute},
	} {
		if _, sum := Periods(all, at(tt.since), at(tt.until), nil); sum.Up != tt.up {
			t.Errorf("from %s to %s: up for %v, want %v", tt.since, tt.until, sum.Up, tt.up)
		}
	}
}

// TestHolePresent: the record of the present boot may be in the damage.
func TestHolePresent(t *testing.T) {
	all := damaged(boot("08:00"), login("pts/0", "09:00"), utmpx.Record{}, login("pts/1", "12:10"))
	ev := evidence(func(ev *Evidence) {
		ev.Boots, ev.Now, ev.Stamp, ev.Note = all, at("12:20"), &Stamp{"b", at("08:00")}, beat("b", "11:00")
	})
	if v := Decide(ev); !v.Present || v.Write {
		t.Errorf("%+v; an end now would end the sessions of this boot", v)
	}
	present := &Present{Is: ev.IsPresent, Now: at("12:20"), Uptime: 20 * time.Minute}
	amended, _ := Amend(all, nil, present)
	ps, _ := Periods(amended, time.Time{}, time.Time{}, present)
	want := []string{"08:00 09:00 open, damaged, up 1h0m0s, down < 3h0m0s", "12:00 12:20 open, up 20m0s"}
	if diff := cmp.Diff(want, claimed(ps)); diff != "" || !ps[len(ps)-1].Running {
		t.Errorf("(-want +got)\n%s", diff)
	}

	first := evidence(func(ev *Evidence) {
		ev.Boots, ev.UtmpBoot = damaged(boot("08:00"), login("pts/0", "09:00"), utmpx.Record{}), at("12:00:05")
		ev.Stamp, ev.Note = &Stamp{"b", at("08:00")}, beat("b", "11:00")
	})
	if v := Decide(first); !v.Present || !v.EndMissing {
		t.Errorf("%+v; init was first, and its record is in the damage", v)
	}
}

// TestGuessedCrash: a ledger has each boot, but says of none that it crashed if the record of
// its shutdown may be in the damage.
func TestGuessedCrash(t *testing.T) {
	stopped := beat("b", "09:30")
	stopped.State = NoteStopped
	for _, tt := range []struct {
		name string
		recs []utmpx.Record
		want End
	}{
		{"whole", []utmpx.Record{boot("08:00"), login("pts/0", "09:00")}, Crashed},
		{"damaged at the end", []utmpx.Record{boot("08:00"), login("pts/0", "09:00"), {}}, Open},
		{"nothing of it", []utmpx.Record{boot("02:00"), shutdown("03:00"), {}}, Open},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := evidence(func(ev *Evidence) {
				ev.Boots, ev.Stamp, ev.Note = damaged(tt.recs...), &Stamp{"b", at("08:00")}, stopped
				ev.Unread = tt.want == Open
			})
			ps := Finished(ev, Decide(ev))
			if len(ps) != 1 || ps[0].End != tt.want {
				t.Errorf("%+v, want one that is %v", ps, tt.want)
			}
			if recs := ev.missed(nil); len(recs) > 0 && tt.want == Open {
				t.Errorf("%+v", recs)
			}
		})
	}
	open := Past{Boot: "b", From: at("08:00"), To: at("09:30"), End: Open, By: FromHeartbeat}
	all, differ := Amend(damaged(boot("02:00"), shutdown("03:00"), utmpx.Record{}, boot("12:00")), []Past{open}, nil)
	ps, _ := Periods(all, time.Time{}, time.Time{}, nil)
	want := []string{"02:00 03:00 shut down, up 1h0m0s, down < 5h0m0s", "08:00 09:30 open, damaged, up 1h30m0s, down < 2h30m0s", "12:00 12:00 open, up 0s"}
	if diff := cmp.Diff(want, claimed(ps)); diff != "" || len(differ) > 0 {
		t.Errorf("(-want +got)\n%s%v", diff, differ)
	}
}

// TestOpenRCInDamage: OpenRC records a boot at the end of its start. A login that is just
// before does not show that the boot before went on.
func TestOpenRCInDamage(t *testing.T) {
	earlier := func(when string) utmpx.Record {
		return rec(utmpx.RunLevel, 0, "~", "~~", "reboot", "6.1", when)
	}
	for _, tt := range []struct {
		name string
		recs []utmpx.Record
		want []string
	}{
		{"just before", []utmpx.Record{earlier("08:00"), login("pts/0", "09:00"), {}, login("pts/0", "12:00"), earlier("12:01")},
			[]string{"08:00 09:00 open", "12:01 12:01 open"}},
		{"long before", []utmpx.Record{earlier("08:00"), login("pts/0", "09:00"), {}, login("pts/0", "11:00"), earlier("12:01")},
			[]string{"08:00 11:00 crashed", "12:01 12:01 open"}},
		{"behind a shutdown", []utmpx.Record{earlier("08:00"), shutdown("09:00"), {}, login("pts/0", "11:00"), earlier("12:01")},
			[]string{"08:00 09:00 shut down", "11:00 11:00 crashed", "12:01 12:01 open"}},
		{"behind a shutdown, just before", []utmpx.Record{earlier("08:00"), shutdown("09:00"), {}, login("pts/0", "12:00"), earlier("12:01")},
			[]string{"08:00 09:00 shut down", "12:00 12:01 open"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, inShort(damaged(tt.recs...))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestSecondsOf1970: where every boot begins in the first seconds of 1970, its end tells
// which past it is.
func TestSecondsOf1970(t *testing.T) {
	all := historyOf(boot("1970-01-01 00:00:06"), login("pts/0", "1970-01-06 22:42:30"),
		boot("1970-01-01 00:00:03"), boot("1970-01-01 00:00:05"), login("pts/0", "1970-01-01 00:10")).Boots()
	long := Past{Boot: "a", From: at("1970-01-01 00:00:02"), To: at("1970-01-06 22:42:23"), Up: 142*time.Hour + 42*time.Minute + 21*time.Second,
		Slept: time.Hour, End: Crashed, Exact: Exactness{true, 10 * time.Minute}, By: FromHeartbeat}
	amended, _ := Amend(all, []Past{long}, nil)
	for i, b := range amended {
		if b.SleptKnown != (i == 0) {
			t.Errorf("boot %d: %+v", i, b)
		}
	}
}

// TestOldLogOf1970: an old copy of the log ends in a boot that the ledger knows. The note of
// a boot that the kernel began later is not that boot's.
func TestOldLogOf1970(t *testing.T) {
	ev := evidence(func(ev *Evidence) {
		ev.Booted, ev.Now = at("1970-01-01 00:00:02"), at("1970-01-01 00:00:10")
		ev.Stamp = &Stamp{"b", at("1970-01-01 00:00:04")}
		ev.Note = &Note{Boot: "b", At: at("11:00"), Up: time.Hour, Every: time.Minute, State: NoteShutdown}
		ev.Ledger = []Past{{Boot: "a", From: at("1970-01-01 00:00:02"), To: at("09:00"), Up: 3 * time.Hour, End: ShutDown, Exact: Exactness{Known: true}}}
	}, boot("1970-01-01 00:00:11"), clock(utmpx.OldTime, "1970-01-01 00:00:12"), clock(utmpx.NewTime, "06:10"), login("pts/0", "07:00"))
	v := Decide(ev)
	if !v.Write || v.End != ShutDown || !v.At.Equal(at("09:00")) || len(v.Missed) != 1 || v.Missed[0].Boot != "b" {
		t.Errorf("%+v, want the end at 09:00, and boot b after it", v)
	}
}
