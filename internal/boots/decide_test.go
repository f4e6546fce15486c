// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"utmpd.dev/utmpd/utmpx"
)

// evidence returns what is known 20 seconds after the boot c, the present one,
// which began at 12:00. The boots before it are a and b.
func evidence(change func(*Evidence), recs ...utmpx.Record) Evidence {
	ev := Evidence{Boot: "c", Booted: at("12:00"), Now: at("12:00:20"), Boots: historyOf(recs...).Boots()}
	if change != nil {
		change(&ev)
	}
	return ev
}

func beat(boot, when string) *Note {
	return &Note{Boot: boot, At: at(when), Every: time.Minute, State: NoteRunning}
}

func noted(n *Note) func(*Evidence) { return func(ev *Evidence) { ev.Note = n } }

func TestDecide(t *testing.T) {
	crashed := func(when string, known bool, by Source) Verdict {
		v := Verdict{Write: true, End: Crashed, At: at(when), By: by}
		if known {
			v.Exact = Exactness{true, time.Minute}
		}
		return v
	}
	nothing := Verdict{}
	minute := Exactness{true, time.Minute}
	aShutDown := Past{Boot: "a", From: at("02:00"), To: at("04:00"), End: ShutDown, Exact: Exactness{Known: true}}
	bCrashed := Past{Boot: "b", From: at("08:00"), To: at("11:00"), End: Crashed, Exact: minute, By: FromHeartbeat}
	used := []utmpx.Record{boot("08:00"), login("pts/0", "09:00")}
	tests := []struct {
		name string
		ev   Evidence
		want Verdict
	}{
		{"first boot, empty log", evidence(nil), nothing},
		{"empty log, with a note", evidence(noted(beat("b", "11:00"))),
			Verdict{Missed: []Past{{Boot: "b", To: at("11:00"), End: Crashed, Exact: minute, By: FromHeartbeat}}}},
		{"empty log, with a note and a stamp", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = beat("b", "11:00"), &Stamp{"b", at("08:00")}
		}), Verdict{Missed: []Past{bCrashed}}},
		{"empty log, but an older part of it could not be read", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp, ev.Unread = beat("b", "11:00"), &Stamp{"b", at("08:00")}, true
		}), nothing},
		{"log older than the last boot, and its rotated part could not be read", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp, ev.Unread = beat("b", "11:00"), &Stamp{"b", at("08:00")}, true
		}, boot("02:00"), shutdown("04:00")), nothing},
		{"a login of this boot alone, and an older stamp", evidence(func(ev *Evidence) {
			ev.Stamp = &Stamp{"b", at("08:00")}
		}, login("pts/0", "12:00:10")), Verdict{Present: true, EndMissing: true}},
		{"old copy of a log, a boot without a clock followed", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp, ev.Ledger = beat("b", "1970-01-01 03:00"), &Stamp{"b", at("1970-01-01 00:00:05")}, []Past{aShutDown}
		}, boot("02:00")), Verdict{Write: true, End: ShutDown, At: at("04:00"), Exact: Exactness{Known: true}}},
		{"a damaged log, and whether the last boot was shut down is not known", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp, ev.Damaged = beat("b", "11:00"), &Stamp{"b", at("08:00")}, true
			ev.Note.State = NoteStopped
		}), nothing},
		{"nothing but damage, and utmp has this boot", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp, ev.Damaged, ev.UtmpBoot = beat("b", "11:00"), &Stamp{"b", at("08:00")}, true, at("12:00")
		}), Verdict{Present: true, EndMissing: true}},
		{"empty log, and a ledger", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp, ev.Ledger = beat("b", "11:00"), &Stamp{"b", at("08:00")}, []Past{aShutDown}
		}), Verdict{Missed: []Past{aShutDown, bCrashed}}},
		{"empty log, and what the stamp and the note tell is in the ledger", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp, ev.Ledger = beat("b", "11:00"), &Stamp{"b", at("08:00")}, []Past{aShutDown, bCrashed}
		}), Verdict{Missed: []Past{aShutDown, bCrashed}}},
		{"empty log, clock in 1970 at the last boot", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = beat("b", "11:00"), &Stamp{"b", at("1970-01-01 00:00:05")}
		}), nothing},
		{"empty log, clock in 1970 at the last boot, but the kernel counted", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = beat("b", "11:00"), &Stamp{"b", at("1970-01-01 00:00:05")}
			ev.Note.Up = 3 * time.Hour
		}), Verdict{Missed: []Past{{Boot: "b", From: at("1970-01-01 00:00:05"), To: at("11:00"), Up: 3 * time.Hour, End: Crashed, Exact: minute, By: FromHeartbeat}}}},
		{"clock in 1970 at the last boot, set before utmpd began", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = beat("b", "11:00"), &Stamp{"b", at("1970-01-01 00:00:05")}
			ev.Note.Up = 3 * time.Hour
		}, boot("1970-01-01 00:00:05")), crashed("11:00", true, FromHeartbeat)},
		{"log older than the last boot", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp, ev.Accessed = beat("b", "11:00"), &Stamp{"b", at("08:00")}, at("11:30")
		}, boot("02:00"), shutdown("04:00")), Verdict{Missed: []Past{bCrashed}}},
		{"log older than the end of the boot before", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp, ev.Ledger = beat("b", "11:00"), &Stamp{"b", at("08:00")}, []Past{aShutDown}
		}, boot("02:00"), login("pts/0", "02:10")), Verdict{Write: true, End: ShutDown, At: at("04:00"), Exact: Exactness{Known: true}, Missed: []Past{bCrashed}}},
		{"log without the end of the boot before, as the ledger", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = beat("b", "11:00"), &Stamp{"b", at("08:00")}
		}, boot("02:00"), login("pts/0", "02:10")), Verdict{Missed: []Past{bCrashed}}},
		{"a short boot right after another, which the ledger knows", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = beat("b", "11:00"), &Stamp{"b", at("08:00")}
			ev.Ledger = []Past{{Boot: "a", From: at("07:57"), To: at("07:58"), End: ShutDown, Exact: Exactness{Known: true}}}
		}, boot("07:57"), shutdown("07:58")), Verdict{Missed: []Past{bCrashed}}},
		{"log emptied in the last boot", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = beat("b", "11:00"), &Stamp{"b", at("08:00")}
		}, login("pts/0", "09:00")), crashed("11:00", true, FromHeartbeat)},
		{"log emptied in the last boot, which was shut down", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = beat("b", "11:00"), &Stamp{"b", at("08:00")}
		}, shutdown("11:00:05")), nothing},
		{"log older than the last boot, this one recorded by the system", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = beat("b", "11:00"), &Stamp{"b", at("08:00")}
		}, boot("02:00"), shutdown("04:00"), boot("12:00:03")), Verdict{Present: true, EndMissing: true}},
		{"shut down", evidence(nil, boot("08:00"), shutdown("11:59")), nothing},
		{"shut down, with a beat 30 s later", evidence(noted(beat("b", "11:59:30")), boot("08:00"), shutdown("11:59")), nothing},
		{"the crash is already recorded", evidence(noted(beat("b", "11:00")), boot("08:00"), crash(time.Minute, true, FromHeartbeat, "11:00")), nothing},

		{"installed during a boot, no boots recorded", evidence(nil, login("pts/0", "12:00:10")), Verdict{Present: true, EndMissing: true}},
		{"installed during a boot, an earlier boot recorded", evidence(nil, boot("08:00"), login("pts/0", "12:00:10")), Verdict{Present: true, EndMissing: true}},

		{"heartbeat", evidence(noted(beat("b", "11:00")), used...), crashed("11:00", true, FromHeartbeat)},
		{"heartbeat, a record after the last beat", evidence(noted(beat("b", "11:00")), boot("08:00"), login("pts/0", "11:00:30")),
			crashed("11:00:30", true, FromHeartbeat)},
		{"heartbeat and access time", evidence(func(ev *Evidence) {
			ev.Note, ev.Accessed = beat("b", "11:00"), at("11:00:40")
		}, used...), crashed("11:00", true, FromHeartbeat)},
		{"a record long after the last beat: the daemon was killed", evidence(noted(beat("b", "09:30")), boot("08:00"), login("pts/0", "11:00")),
			crashed("11:00", false, FromRecords)},
		{"access time long after the last beat", evidence(func(ev *Evidence) {
			ev.Note, ev.Accessed = beat("b", "09:30"), at("11:00")
		}, used...), crashed("11:00", false, FromAccess)},
		{"daemon stopped", evidence(noted(&Note{Boot: "b", At: at("10:00"), Every: time.Minute, State: NoteStopped}), used...),
			crashed("10:00", false, FromHeartbeat)},
		{"daemon stopped before the last record", evidence(noted(&Note{Boot: "b", At: at("08:30"), State: NoteStopped}), used...),
			crashed("09:00", false, FromRecords)},
		{"marked as shut down, not recorded", evidence(noted(&Note{Boot: "b", At: at("11:59"), State: NoteShutdown}), used...),
			Verdict{Write: true, End: ShutDown, At: at("11:59"), Exact: Exactness{Known: true}, By: FromHeartbeat}},
		{"marked as shut down, but the system went on", evidence(noted(&Note{Boot: "b", At: at("08:30"), State: NoteShutdown}), used...),
			crashed("09:00", false, FromRecords)},
		{"marked by the boot before last", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = &Note{Boot: "a", At: at("07:59"), State: NoteShutdown}, &Stamp{"b", at("08:00")}
		}, used...), crashed("09:00", false, FromRecords)},
		{"marked by the boot before last, shown by the id only", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = &Note{Boot: "a", At: at("09:01"), State: NoteShutdown}, &Stamp{"b", at("08:00")}
		}, used...), crashed("09:00", false, FromRecords)},
		{"marked by the boot before last, shown by the time only", evidence(noted(&Note{Boot: "a", At: at("07:59"), State: NoteShutdown}), boot("08:00")),
			crashed("08:00", false, FromRecords)},
		{"a stamp older than the last boot", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = beat("b", "11:00"), &Stamp{"a", at("02:00")}
		}, used...), crashed("11:00", true, FromHeartbeat)},
		{"note of the present boot: the daemon started first", evidence(noted(beat("c", "12:00:10")), used...), crashed("09:00", false, FromRecords)},
		{"shutdown recorded, system went on, then a crash", evidence(noted(beat("b", "11:00")), boot("08:00"), shutdown("09:00")),
			crashed("11:00", true, FromHeartbeat)},

		{"access time", evidence(func(ev *Evidence) { ev.Accessed = at("11:00") }, used...), crashed("11:00", false, FromAccess)},
		{"access time before the last record", evidence(func(ev *Evidence) { ev.Accessed = at("08:30") }, used...), crashed("09:00", false, FromRecords)},
		{"access time in the present boot", evidence(func(ev *Evidence) { ev.Accessed = at("12:00:05") }, used...), crashed("09:00", false, FromRecords)},
		{"access time of an earlier boot, whose clock was ahead", evidence(func(ev *Evidence) { ev.Accessed = at("11:00") }, boot("08:30"), shutdown("11:30"), boot("08:00"), login("pts/0", "09:00")),
			crashed("09:00", false, FromRecords)},
		{"records only", evidence(nil, used...), crashed("09:00", false, FromRecords)},
		{"boot record only", evidence(nil, boot("08:00")), crashed("08:00", false, FromRecords)},

		{"no boot recorded", evidence(nil, login("pts/0", "09:00")), nothing},
		{"no boot recorded, heartbeat", evidence(noted(beat("b", "11:00")), login("pts/0", "09:00")), crashed("11:00", true, FromHeartbeat)},

		{"clock in 1970, last record", evidence(func(ev *Evidence) {
			ev.Booted, ev.Now = at("1970-01-01 00:00"), at("1970-01-01 00:00:09")
		}, used...), Verdict{Write: true, End: Crashed, At: at("09:00"), By: FromRecords, ClockBehind: true}},
		{"clock in 1970, heartbeat", evidence(func(ev *Evidence) {
			ev.Booted, ev.Now, ev.Note = at("1970-01-01 00:00"), at("1970-01-01 00:00:09"), beat("b", "11:00")
		}, used...), Verdict{Write: true, End: Crashed, At: at("11:00"), Exact: Exactness{true, time.Minute}, By: FromHeartbeat, ClockBehind: true}},
		{"every boot in 1970", evidence(func(ev *Evidence) {
			ev.Booted, ev.Now = at("1970-01-01 00:00"), at("1970-01-01 00:00:09")
		}, boot("1970-01-01 00:00:03")), Verdict{Write: true, End: Crashed, At: at("1970-01-01 00:00:03"), By: FromRecords, ClockBehind: true}},
		{"clock an hour behind", evidence(func(ev *Evidence) {
			ev.Booted, ev.Now = at("08:10"), at("08:10:20")
		}, used...), Verdict{Write: true, End: Crashed, At: at("09:00"), By: FromRecords, ClockBehind: true}},
		{"clock a second behind", evidence(noted(beat("b", "12:00:01")), used...),
			Verdict{Write: true, End: Crashed, At: at("12:00"), By: FromHeartbeat, Exact: Exactness{true, time.Minute + time.Second}}},
		{"clock a day ahead", evidence(func(ev *Evidence) {
			ev.Booted, ev.Now = at("2026-07-02 12:00"), at("2026-07-02 12:00:20")
			ev.Note = beat("b", "11:00")
		}, used...), crashed("11:00", true, FromHeartbeat)},

		{"clock ahead at the last boot, then set back", evidence(func(ev *Evidence) {
			ev.Note, ev.Stamp = beat("b", "09:30"), &Stamp{"b", at("11:00")}
		}, boot("11:00"), login("pts/0", "09:10")), crashed("09:30", true, FromHeartbeat)},
		{"the last boot took two seconds", evidence(func(ev *Evidence) {
			ev.Stamp, ev.Note = &Stamp{"b", at("11:59:58")}, &Note{Boot: "b", At: at("12:00"), State: NoteShutdown}
		}, boot("11:59:58"), shutdown("12:00")), nothing},
		{"clock restarts at the same time, last record", evidence(func(ev *Evidence) {
			ev.Stamp = &Stamp{"b", at("12:00")}
		}, boot("12:00"), login("pts/0", "12:00:15")), Verdict{Write: true, End: Crashed, At: at("12:00:15"), By: FromRecords, ClockBehind: true}},
		{"clock restarts at the same time, heartbeat", evidence(func(ev *Evidence) {
			ev.Stamp, ev.Note = &Stamp{"b", at("12:00:01")}, beat("b", "12:30")
		}, boot("12:00:01"), login("pts/0", "12:00:15")),
			Verdict{Write: true, End: Crashed, At: at("12:30"), Exact: Exactness{true, time.Minute}, By: FromHeartbeat, ClockBehind: true}},

		{"stamped in this boot", evidence(func(ev *Evidence) { ev.Stamp = &Stamp{"c", at("12:00")} }, used...), Verdict{Present: true}},
		{"recorded by the system", evidence(nil, boot("08:00"), shutdown("11:59"), boot("12:00:03")), Verdict{Present: true}},
		{"boot recorded by the system, crash not recorded", evidence(nil, boot("08:00"), boot("12:00:03")), Verdict{Present: true, EndMissing: true}},
		{"boot recorded by the system, no other record", evidence(nil, boot("12:00:03")), Verdict{Present: true}},
		{"boot recorded by another clock, the same in utmp", evidence(func(ev *Evidence) { ev.UtmpBoot = at("03:00") }, boot("02:00"), shutdown("02:30"), boot("03:00")), Verdict{Present: true}},
		{"boot recorded early in utmp, late in the log", evidence(func(ev *Evidence) { ev.UtmpBoot = at("12:00") }, boot("08:00"), shutdown("11:59"), boot("12:00:15")), Verdict{Present: true}},
		{"stamped in this boot, log emptied", evidence(func(ev *Evidence) { ev.Stamp = &Stamp{"c", at("12:00")} }), Verdict{Present: true}},
		{"utmp has another boot", evidence(func(ev *Evidence) { ev.UtmpBoot = at("03:00") }, boot("08:00")), crashed("08:00", false, FromRecords)},
		{"boot without an id", evidence(func(ev *Evidence) {
			ev.Boot, ev.Stamp = "", &Stamp{"", at("12:00")}
		}, used...), crashed("09:00", false, FromRecords)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Decide(tt.ev), cmpopts.EquateApproxTime(0)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestSuspended: suspended time is neither up nor down. A window that cuts a boot
// may cut its suspends too.
func TestSuspended(t *testing.T) {
	h := time.Hour
	past := Past{Boot: "a", From: at("00:00"), To: at("10:00"), Up: 10 * h, Slept: 8 * h, End: ShutDown, Exact: Exactness{Known: true}}
	present := &Present{Now: at("13:00"), Uptime: h, Slept: h / 2, SleptKnown: true, Is: func(b Boot) bool { return b.From.Equal(at("12:00")) }}
	tests := []struct {
		name         string
		since, until time.Time
		want         Sum
	}{
		{"all", time.Time{}, time.Time{}, Sum{From: at("00:00"), To: at("13:00"), Up: 2*h + h/2, Slept: 8*h + h/2, Down: 2 * h, Boots: 2}},
		{"the first boot cut", at("05:00"), time.Time{}, Sum{From: at("05:00"), To: at("13:00"), Up: h / 2, Slept: 3*h + h/2, Unknown: 2 * h, Down: 2 * h, Boots: 2}},
		{"the first boot cut short", at("09:00"), at("12:00"), Sum{From: at("09:00"), To: at("12:00"), Unknown: h, Down: 2 * h, Boots: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all, _ := Amend(historyOf(boot("00:00"), shutdown("10:00"), boot("12:00")).Boots(), []Past{past}, nil)
			ps, got := Periods(all, tt.since, tt.until, present)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			up, slept := time.Duration(0), time.Duration(0)
			for _, p := range ps {
				up, slept = up+p.AwakeFor, slept+p.Slept
			}
			if got.Up != up || got.Slept != slept {
				t.Errorf("periods %+v", ps)
			}
		})
	}
}

// agree checks that a sum is that of the periods that are listed.
func agree(t *testing.T, ps []Period, s Sum) {
	t.Helper()
	var up, down time.Duration
	crashes := 0
	for _, p := range ps {
		if !p.nowhere {
			up += p.AwakeFor
		}
		down += p.DownFor
		if p.End == Crashed {
			crashes++
		}
	}
	// What a period was down at most is in part unknown, and so is when it was up, if its
	// place is.
	if len(ps) != s.Boots || crashes != s.Crashes || up < s.Up || up > s.Up+s.Unknown || down < s.Down || down > s.Down+s.Unknown {
		t.Errorf("listed: %d boots, %d crashes, up %v, down at most %v; the sum is %+v", len(ps), crashes, up, down, s)
	}
}

func TestPeriods(t *testing.T) {
	present := &Present{Now: at("13:00"), Uptime: time.Hour, Is: func(b Boot) bool { return b.From.Equal(at("12:00")) }}
	h := time.Hour
	tests := []struct {
		name         string
		recs         []utmpx.Record
		since, until time.Time
		present      *Present
		want         Sum
		least, most  float64
	}{
		{"no records", nil, time.Time{}, time.Time{}, present, Sum{}, 0, 0},
		{"all exact", []utmpx.Record{boot("06:00"), shutdown("10:00"), boot("12:00")}, time.Time{}, time.Time{}, present,
			Sum{From: at("06:00"), To: at("13:00"), Up: 5 * h, Down: 2 * h, Boots: 2}, 5.0 / 7, 5.0 / 7},
		{"a crash within a minute", []utmpx.Record{boot("06:00"), crash(time.Minute, true, FromHeartbeat, "10:00"), boot("12:00")}, time.Time{}, time.Time{}, present,
			Sum{From: at("06:00"), To: at("13:00"), Up: 5 * h, Down: 2*h - time.Minute, Unknown: time.Minute, Boots: 2, Crashes: 1}, 5.0 / 7, (5 + 1.0/60) / 7},
		{"a crash without a record", []utmpx.Record{boot("06:00"), login("pts/0", "10:00"), boot("12:00")}, time.Time{}, time.Time{}, present,
			Sum{From: at("06:00"), To: at("13:00"), Up: 5 * h, Unknown: 2 * h, Boots: 2, Crashes: 1}, 5.0 / 7, 1},
		{"since and until", []utmpx.Record{boot("06:00"), shutdown("10:00"), boot("12:00")}, at("09:00"), at("12:30"), present,
			Sum{From: at("09:00"), To: at("12:30"), Up: h + h/2, Down: 2 * h, Boots: 2}, 1.5 / 3.5, 1.5 / 3.5},
		{"since, one boot of three", []utmpx.Record{boot("01:00"), shutdown("02:00"), boot("06:00"), shutdown("10:00"), boot("12:00")}, at("11:00"), time.Time{}, present,
			Sum{From: at("11:00"), To: at("13:00"), Up: h, Down: h, Boots: 2}, 0.5, 0.5},
		{"clock behind at a boot", []utmpx.Record{boot("06:00"), shutdown("10:00"), boot("09:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00"), Up: 4 * h, Unknown: 2 * h, Boots: 2}, 4.0 / 6, 1},
		{"clock behind at a boot, step recorded", []utmpx.Record{boot("06:00"), shutdown("10:00"),
			boot("09:00"), clock(utmpx.OldTime, "09:01"), clock(utmpx.NewTime, "11:01"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00"), Up: 5 * h, Down: h, Boots: 2}, 5.0 / 6, 5.0 / 6},
		{"clock years behind at a boot", []utmpx.Record{boot("06:00"), shutdown("10:00"), boot("2024-03-01 00:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00"), Up: 4 * h, Unknown: 2 * h, Boots: 2}, 4.0 / 6, 1},
		{"clock behind at the present boot", []utmpx.Record{boot("06:00"), shutdown("12:30"), boot("12:00")}, time.Time{}, time.Time{},
			&Present{Now: at("13:00"), Uptime: h / 4, Is: present.Is},
			Sum{From: at("06:00"), To: at("13:00"), Up: 6*h + 3*h/4, Down: h / 4, Boots: 2}, 6.75 / 7, 6.75 / 7},
		{"clock ahead at a boot", []utmpx.Record{boot("2027-07-01 06:00"), shutdown("10:00"), boot("11:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("10:00"), To: at("12:00"), Up: h, Down: h, Boots: 2}, 0.5, 0.5},
		{"until is before all records", []utmpx.Record{boot("06:00"), shutdown("10:00")}, time.Time{}, at("05:00"), nil, Sum{From: at("06:00"), To: at("05:00")}, 0, 0},
		{"a log of another machine", []utmpx.Record{boot("06:00"), shutdown("10:00"), boot("12:00"), login("pts/0", "12:30")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:30"), Up: 4*h + h/2, Down: 2 * h, Boots: 2}, 4.5 / 6.5, 4.5 / 6.5},
		{"no clock at the first boot, and a crash before it was set", []utmpx.Record{boot("1970-01-01 00:00:12"), level('N', '2', "1970-01-01 00:00:20"),
			boot("1970-01-01 00:00:12"), login("pts/0", "08:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("08:00"), To: at("12:00"), Up: 4 * h, Boots: 2, Crashes: 1}, 1, 1},
		{"fixed epoch, no run level", []utmpx.Record{boot("2000-01-01 00:00:10"), login("pts/0", "08:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("08:00"), To: at("12:00"), Up: 4 * h, Boots: 1}, 1, 1},
		{"the clock starts at the same second twice", []utmpx.Record{boot("2026-05-01 06:00"), login("pts/0", "08:00"), shutdown("09:00"),
			boot("2026-05-01 06:00"), login("pts/0", "11:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("08:00"), To: at("12:00"), Up: 2 * h, Unknown: 2 * h, Boots: 2}, 0.5, 1},
		{"the first run level is days after the boot", []utmpx.Record{boot("2026-06-01 06:00"), level(0, '5', "08:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("08:00"), To: at("12:00"), Up: 4 * h, Boots: 1}, 1, 1},
		{"a later run level is days after the boot", []utmpx.Record{boot("2026-06-30 08:00"), level('2', '5', "08:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("2026-06-30 08:00"), To: at("12:00"), Up: 28 * h, Boots: 1}, 1, 1},
		{"local time at boot, two hours ahead", []utmpx.Record{boot("06:00"), shutdown("08:00"), boot("10:01"), level('N', '2', "08:01:10"), shutdown("12:01:10")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:01:10"), Up: 6 * h, Unknown: 70 * time.Second, Boots: 2}, 6.0 / (6 + 70.0/3600), 1},
		{"a logout is written late", []utmpx.Record{boot("06:00"), logout("pts/0", "05:55"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00"), Up: 6 * h, Boots: 1}, 1, 1},
		{"a boot that begins two minutes before the end of the last", []utmpx.Record{boot("06:00"), shutdown("08:00"),
			boot("07:58"), level('N', '2', "08:01"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00"), Up: 6*h - time.Minute, Unknown: time.Minute, Boots: 2}, 1 - 1.0/360, 1},
		{"local time at boot, only a getty", []utmpx.Record{boot("06:00"), shutdown("08:00"), boot("10:01"), getty("08:02"), shutdown("12:02")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:02"), Up: 6 * h, Unknown: 2 * time.Minute, Boots: 2}, 6.0 / (6 + 2.0/60), 1},
		{"local time at boot, step recorded", []utmpx.Record{boot("06:00"), shutdown("08:00"), boot("10:01"), clock(utmpx.OldTime, "10:02"), clock(utmpx.NewTime, "08:02"), shutdown("12:01")},
			time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:01"), Up: 6 * h, Down: time.Minute, Boots: 2}, 6.0 / (6 + 1.0/60), 6.0 / (6 + 1.0/60)},
		{"the clock of the last shutdown, step recorded", []utmpx.Record{boot("06:00"), shutdown("08:00"), boot("08:00:20"), clock(utmpx.OldTime, "08:01:20"), clock(utmpx.NewTime, "11:01:20"), shutdown("12:00:20")},
			time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00:20"), Up: 3 * h, Down: 3*h + 20*time.Second, Boots: 2}, 3 / (6 + 20.0/3600), 3 / (6 + 20.0/3600)},
		{"two boots in one second", []utmpx.Record{boot("06:00"), shutdown("06:00"), boot("06:00"), shutdown("07:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("07:00"), Up: h, Boots: 2}, 1, 1},
		{"the clock starts at almost the same second twice", []utmpx.Record{boot("2026-05-01 06:00:03"), login("pts/0", "08:00"), shutdown("09:00"),
			boot("2026-05-01 06:00:05"), login("pts/0", "11:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("08:00"), To: at("12:00"), Up: 2 * h, Unknown: 2 * h, Boots: 2}, 0.5, 1},
		{"the clock was years ahead and not set before the crash", []utmpx.Record{boot("06:00"), shutdown("08:00"), boot("2099-01-01 00:00"), boot("09:00"), shutdown("10:00")},
			time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("10:00"), Up: 3 * h, Unknown: h, Boots: 3, Crashes: 1}, 0.75, 1},
		{"years ahead, the first boot of this machine's log", []utmpx.Record{boot("2099-01-01 00:00"), boot("12:00")}, time.Time{}, time.Time{}, present,
			Sum{From: at("12:00"), To: at("13:00"), Up: h, Boots: 2, Crashes: 1}, 1, 1},
		{"run levels alone", []utmpx.Record{level('N', '2', "06:00"), level('2', '0', "08:00"), level('N', '2', "10:00"), getty("10:01"), level('2', '0', "12:00")},
			time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00"), Up: 4 * h, Unknown: 2 * h, Boots: 2, NoBoot: true}, 0, 0},
		{"the first run level among the records of init before a boot", []utmpx.Record{boot("06:00"), login("pts/0", "07:00"),
			rec(utmpx.InitProcess, 90, "", "si", "", "6.1", "11:00"), level('N', 'S', "11:00"), rec(utmpx.DeadProcess, 90, "", "si", "", "6.1", "11:00"), boot("11:00"), shutdown("12:00")},
			time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00"), Up: 2 * h, Unknown: 4 * h, Boots: 2, Crashes: 1}, 2.0 / 6, 1},
		{"a logout of 1970", []utmpx.Record{boot("06:00"), login("pts/0", "08:00"), logout("pts/0", "1970-01-01 00:00:20"), boot("10:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00"), Up: 4 * h, Unknown: 2 * h, Boots: 2, Crashes: 1}, 4.0 / 6, 1},
		{"a run level of 1970", []utmpx.Record{boot("06:00"), level('2', '3', "1970-01-01 00:00:20"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00"), Up: 6 * h, Boots: 1}, 1, 1},
		{"a login of 1970 before any boot", []utmpx.Record{login("pts/0", "1970-01-01 00:00:20"), login("pts/0", "08:00"), shutdown("10:00"), boot("11:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("08:00"), To: at("12:00"), Up: 3 * h, Down: h, Boots: 2}, 0.75, 0.75},
		{"a boot of 1970 between two that overlap", []utmpx.Record{boot("06:00"), shutdown("10:00"), boot("1970-01-01 00:00:12"), boot("08:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00"), Up: 4 * h, Unknown: 2 * h, Boots: 3, Crashes: 1}, 4.0 / 6, 1},
		{"the kernel does not tell how long it has been up", []utmpx.Record{boot("06:00"), shutdown("10:00"), boot("12:00")}, time.Time{}, time.Time{},
			&Present{Now: at("13:00"), Is: present.Is},
			Sum{From: at("06:00"), To: at("13:00"), Up: 5 * h, Down: 2 * h, Boots: 2}, 5.0 / 7, 5.0 / 7},
		{"the clock was set back by an hour, and the next boot seems to lie in the one before", []utmpx.Record{boot("06:00"), shutdown("08:00"), boot("07:00"), shutdown("07:30"), boot("08:00"), shutdown("09:00")},
			time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("09:00"), Up: 2*h + h/2, Unknown: h / 2, Boots: 3}, 2.5 / 3, 1},
		{"a step of the clock of which the first half is lost", []utmpx.Record{boot("06:00"), shutdown("07:00"), boot("08:00"), clock(utmpx.NewTime, "11:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00"), Up: 2 * h, Unknown: 4 * h, Boots: 2}, 2.0 / 6, 1},
		{"until is before a crash", []utmpx.Record{boot("06:00"), crash(time.Minute, true, FromHeartbeat, "10:00"), boot("12:00")}, time.Time{}, at("09:00"), nil,
			Sum{From: at("06:00"), To: at("09:00"), Up: 3 * h, Boots: 1}, 1, 1},
		{"since the beginning of a boot", []utmpx.Record{boot("06:00"), shutdown("10:00"), boot("12:00"), shutdown("13:00")}, at("12:00"), time.Time{}, nil,
			Sum{From: at("12:00"), To: at("13:00"), Up: h, Boots: 1}, 1, 1},
		{"no boot recorded", []utmpx.Record{login("pts/0", "08:00"), logout("pts/0", "12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("08:00"), To: at("12:00"), Up: 4 * h, Boots: 1, NoBoot: true}, 0, 0},
		{"the clock was hours behind at the present boot, and was set", []utmpx.Record{boot("2026-06-30 06:00"), shutdown("2026-06-30 22:00"), boot("2026-06-30 22:00:20"), login("pts/0", "12:10")},
			time.Time{}, time.Time{}, &Present{Now: at("13:00"), Uptime: h, Is: func(b Boot) bool { return b.From.Equal(at("2026-06-30 22:00:20")) }},
			Sum{From: at("2026-06-30 06:00"), To: at("13:00"), Up: 17 * h, Down: 14 * h, Boots: 2}, 17.0 / 31, 17.0 / 31},
		{"the clock goes on where it stood, and half a minute is set later", []utmpx.Record{boot("06:00"), shutdown("08:00"), boot("08:00"), clock(utmpx.OldTime, "11:00"), clock(utmpx.NewTime, "11:00:30"), shutdown("12:00")},
			time.Time{}, time.Time{}, nil, Sum{From: at("06:00"), To: at("12:00"), Up: 6*h - 30*time.Second, Unknown: 30 * time.Second, Boots: 2}, 1 - 30/21600.0, 1},
		{"a boot by a fixed epoch, years behind", []utmpx.Record{boot("06:00"), shutdown("08:00"), boot("2023-07-10 21:44"), login("pts/0", "2023-07-10 22:00"), shutdown("2023-07-10 22:44"), boot("11:00"), shutdown("12:00")},
			time.Time{}, time.Time{}, nil, Sum{From: at("06:00"), To: at("12:00"), Up: 3 * h, Unknown: 3 * h, Boots: 3}, 0.5, 1},
		{"two boots by a fixed epoch", []utmpx.Record{boot("06:00"), shutdown("08:00"), boot("2023-07-10 21:44"), shutdown("2023-07-10 22:44"), boot("2023-07-10 21:44"), shutdown("2023-07-10 21:50"), boot("11:00"), shutdown("12:00")},
			time.Time{}, time.Time{}, nil, Sum{From: at("06:00"), To: at("12:00"), Up: 3 * h, Unknown: 3 * h, Boots: 4}, 0.5, 1},
		{"a boot by a clock a day behind", []utmpx.Record{boot("2026-06-29 06:00"), shutdown("2026-06-29 14:00"), boot("2026-06-30 06:00"), shutdown("2026-06-30 08:00"),
			boot("2026-06-29 12:00"), shutdown("2026-06-29 13:00"), boot("06:00"), shutdown("08:00")},
			time.Time{}, time.Time{}, nil, Sum{From: at("2026-06-29 06:00"), To: at("08:00"), Up: 12 * h, Down: 16 * h, Unknown: 22 * h, Boots: 4}, 12.0 / 50, 34.0 / 50},
		{"a boot behind, or the one before ahead", []utmpx.Record{boot("2026-06-29 06:00"), shutdown("2026-06-29 08:00"), boot("2026-06-30 06:00"), shutdown("2026-06-30 08:00"),
			boot("2026-06-29 12:00"), shutdown("2026-06-29 13:00"), boot("06:00"), shutdown("08:00")},
			time.Time{}, time.Time{}, nil, Sum{From: at("2026-06-29 06:00"), To: at("08:00"), Up: 4 * h, Unknown: 46 * h, Boots: 4}, 4.0 / 50, 1},
		{"a clock two hours behind throughout", []utmpx.Record{boot("06:00"), shutdown("08:00"), boot("07:00"), shutdown("08:30"), boot("12:00"), shutdown("13:00")},
			time.Time{}, time.Time{}, nil, Sum{From: at("06:00"), To: at("13:00"), Up: 3 * h, Unknown: 4 * h, Boots: 3}, 3.0 / 7, 1},
		{"local time at boot, no login", []utmpx.Record{boot("08:00"), shutdown("10:00"), boot("12:01"), shutdown("10:30"), boot("12:31"), shutdown("16:30")},
			time.Time{}, time.Time{}, nil, Sum{From: at("08:00"), To: at("16:30"), Up: 5*h + 59*time.Minute, Unknown: 2*h + 31*time.Minute, Boots: 3}, (5 + 59.0/60) / 8.5, 1},
		{"a boot by a clock years behind, before this one", []utmpx.Record{boot("06:00"), shutdown("08:00"), boot("2023-07-10 21:44"), shutdown("2023-07-10 22:44"), boot("12:00")},
			time.Time{}, time.Time{}, present, Sum{From: at("06:00"), To: at("13:00"), Up: 3 * h, Unknown: 4 * h, Boots: 3}, 3.0 / 7, 1},
		{"a boot in 2000", []utmpx.Record{boot("06:00"), shutdown("08:00"), boot("2000-01-01 00:00:10"), login("pts/0", "2000-01-01 00:10"), shutdown("2000-01-01 01:00"), boot("11:00"), shutdown("12:00")},
			time.Time{}, time.Time{}, nil, Sum{From: at("06:00"), To: at("12:00"), Up: 3 * h, Unknown: 3 * h, Boots: 3}, 0.5, 1},
		{"no clock at boot", []utmpx.Record{boot("06:00"), shutdown("10:00"), boot("1970-01-01 00:00:03"), login("pts/0", "11:00"), shutdown("12:00")}, time.Time{}, time.Time{}, nil,
			Sum{From: at("06:00"), To: at("12:00"), Up: 5 * h, Unknown: h, Boots: 2}, 5.0 / 6, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ps, got := Periods(historyOf(tt.recs...).Boots(), tt.since, tt.until, tt.present)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateApproxTime(0)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			agree(t, ps, got)
			if all := got.Up + got.Down + got.Slept + got.Unknown; all < got.To.Sub(got.From) {
				t.Errorf("the parts are %v, the whole is %v", all, got.To.Sub(got.From))
			}
			least, most, _ := got.Availability()
			if diff := cmp.Diff([]float64{tt.least, tt.most}, []float64{least, most}, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Errorf("availability (-want +got)\n%s", diff)
			}
		})
	}
}

// TestUptimeTooLong: by a kernel's count that is too long, the present boot would have
// begun before the last one. The note of the last one tells that it is over, unless its
// record stands before that of the present boot.
func TestUptimeTooLong(t *testing.T) {
	short := func(booted, beat string) func(*Evidence) {
		return func(ev *Evidence) {
			ev.Booted, ev.Stamp = at(booted), &Stamp{"b", at("11:57")}
			ev.Note = &Note{Boot: "b", At: at(beat), Up: at(beat).Sub(at("11:57")), Every: time.Minute, State: NoteRunning}
		}
	}
	lost := evidence(short("11:57:30", "11:59"), boot("11:20"), shutdown("11:40"), boot("11:57:40"), login("pts/0", "11:58:30"))
	if v := Decide(lost); v.Present || !v.Write || v.End != Crashed || !v.At.Equal(at("11:59")) {
		t.Errorf("the count is too long: decided %+v", v)
	}
	first := evidence(short("12:00", "11:59:30"), boot("11:57:40"), login("pts/0", "11:58:30"), boot("12:00:02"))
	if v := Decide(first); !v.Present || !v.EndMissing || v.Write {
		t.Errorf("init was first: decided %+v", v)
	}
}
