// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"utmpd.dev/utmpd/utmpx"
)

// inShort describes boots by their times.
func inShort(all []Boot) []string {
	var s []string
	for _, b := range all {
		t := b.From.Format("15:04") + " " + b.To.Format("15:04") + " " + b.End.String()
		if b.Ledger {
			t += " ledger"
		}
		s = append(s, t)
	}
	return s
}

func TestAmend(t *testing.T) {
	past := func(from, to string, end End) Past {
		return Past{Boot: from, From: at(from), To: at(to), End: end, Exact: Exactness{Known: true}}
	}
	tests := []struct {
		name    string
		recs    []utmpx.Record
		ledger  []Past
		want    []string
		differs int
	}{
		{"the same", []utmpx.Record{boot("08:00"), shutdown("09:00")}, []Past{past("08:00", "09:00", ShutDown)},
			[]string{"08:00 09:00 shut down"}, 0},
		{"init was first", []utmpx.Record{boot("08:00"), login("pts/0", "08:10"), boot("12:00")}, []Past{past("08:00", "11:00", Crashed)},
			[]string{"08:00 11:00 crashed ledger", "12:00 12:00 open"}, 0},
		{"the ledger knows less", []utmpx.Record{boot("08:00"), login("pts/0", "10:00"), boot("12:00")}, []Past{past("08:00", "09:00", Crashed)},
			[]string{"08:00 10:00 crashed", "12:00 12:00 open"}, 0},
		{"another end", []utmpx.Record{boot("08:00"), shutdown("09:00"), boot("12:00")}, []Past{past("08:00", "11:00", Crashed)},
			[]string{"08:00 09:00 shut down", "12:00 12:00 open"}, 1},
		{"another time", []utmpx.Record{boot("08:00"), shutdown("09:00"), boot("12:00")}, []Past{past("08:00", "09:10", ShutDown)},
			[]string{"08:00 09:00 shut down", "12:00 12:00 open"}, 1},
		{"a boot that the log lacks", []utmpx.Record{boot("02:00"), shutdown("04:00"), boot("12:00")}, []Past{past("02:00", "04:00", ShutDown), past("08:00", "09:00", Crashed)},
			[]string{"02:00 04:00 shut down", "08:00 09:00 crashed ledger", "12:00 12:00 open"}, 0},
		{"boots before the log", []utmpx.Record{boot("08:00"), shutdown("09:00")}, []Past{past("02:00", "04:00", ShutDown), past("08:00", "09:00", ShutDown)},
			[]string{"08:00 09:00 shut down"}, 0},
		{"no log", nil, []Past{past("02:00", "04:00", ShutDown), past("08:00", "09:00", Crashed)},
			[]string{"02:00 04:00 shut down ledger", "08:00 09:00 crashed ledger"}, 0},
		{"the beginning was lost", []utmpx.Record{login("pts/0", "08:30"), shutdown("09:00"), boot("12:00")}, []Past{past("08:00", "09:00", ShutDown)},
			[]string{"08:00 09:00 shut down ledger", "12:00 12:00 open"}, 0},
		{"a boot that would lie in another", []utmpx.Record{boot("02:00"), shutdown("10:00"), boot("12:00")}, []Past{past("08:00", "09:00", Crashed)},
			[]string{"02:00 10:00 shut down", "12:00 12:00 open"}, 0},
		{"a boot that would lie in the present one", []utmpx.Record{boot("12:00")}, []Past{past("13:00", "14:00", Crashed)},
			[]string{"12:00 12:00 open"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all, differ := Amend(historyOf(tt.recs...).Boots(), tt.ledger, nil)
			if diff := cmp.Diff(tt.want, inShort(all)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if len(differ) != tt.differs {
				t.Errorf("differences: %v, want %d", differ, tt.differs)
			}
		})
	}
}

// TestAmendBehindDamage: what the log is damaged in front of may have been in the damage.
func TestAmendBehindDamage(t *testing.T) {
	var h History
	h.Damage()
	h.Add(boot("08:00"))
	h.Add(shutdown("09:00"))
	all, _ := Amend(h.Boots(), []Past{{Boot: "a", From: at("02:00"), To: at("04:00"), End: Crashed, Exact: Exactness{Known: true}}}, nil)
	if diff := cmp.Diff([]string{"02:00 04:00 crashed ledger", "08:00 09:00 shut down"}, inShort(all)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestAmendClock puts a boot where the kernel's clock says that it belongs.
func TestAmendClock(t *testing.T) {
	past := Past{Boot: "b", From: at("1970-01-01 00:00:05"), To: at("11:00"), Up: 3 * time.Hour, End: Crashed, By: FromHeartbeat, Exact: Exactness{Known: true}}
	all, _ := Amend(historyOf(boot("1970-01-01 00:00:05"), login("pts/0", "09:00"), boot("12:00")).Boots(), []Past{past}, nil)
	if up, ok := all[0].Up(); up != 3*time.Hour || !ok {
		t.Errorf("up %v, %v; want 3 hours", up, ok)
	}
}

// TestAmendEpoch has a clock that begins at one second at every boot: the kernel's
// count tells which boot is which, and without any record in the boot its place does.
func TestAmendEpoch(t *testing.T) {
	const epoch = "2023-07-10 21:44"
	past := func(to string, end End) Past {
		return Past{Boot: to, From: at(epoch), To: at(to), Up: time.Hour, End: end, Exact: Exactness{Known: true}}
	}
	ledger := []Past{past("03:00", Crashed), past("05:00", Crashed), past("07:00", Crashed), past("09:00", Crashed)}
	recs := []utmpx.Record{boot(epoch), login("pts/0", "04:30"), boot(epoch), getty("2023-07-10 21:50"), boot(epoch), login("pts/0", "08:30"), boot("12:00")}
	all, differ := Amend(historyOf(recs...).Boots(), ledger, nil)
	want := []string{"21:44 05:00 crashed ledger", "21:44 07:00 crashed ledger", "21:44 09:00 crashed ledger", "12:00 12:00 open"}
	if diff := cmp.Diff(want, inShort(all)); diff != "" || len(differ) != 0 {
		t.Errorf("(-want +got)\n%s%v", diff, differ)
	}
}

// TestSavedClock: a clock that goes on where it was saved is stepped soon after the
// boot. The time down is told by the clock as it was after that.
func TestSavedClock(t *testing.T) {
	recs := []utmpx.Record{boot("2026-07-01 06:00"), shutdown("2026-07-01 22:00"), boot("2026-07-01 22:00:20")}
	steps := []utmpx.Record{clock(utmpx.OldTime, "2026-07-01 22:01"), clock(utmpx.NewTime, "2026-07-02 06:00:40")}
	end := shutdown("2026-07-02 12:00")
	tests := []struct {
		name   string
		recs   []utmpx.Record
		ledger []Past
	}{
		{"recorded", append(append(recs[:3:3], steps...), end), nil},
		{"in the ledger", append(recs[:3:3], login("pts/0", "2026-07-02 07:00"), end), []Past{{Boot: "b", From: at("2026-07-01 22:00:20"),
			To: at("2026-07-02 12:00"), Up: 6 * time.Hour, End: ShutDown, Exact: Exactness{Known: true}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all, _ := Amend(historyOf(tt.recs...).Boots(), tt.ledger, nil)
			_, sum := Periods(all, time.Time{}, time.Time{}, nil)
			if diff := cmp.Diff(Sum{From: at("2026-07-01 06:00"), To: at("2026-07-02 12:00"), Up: 22 * time.Hour, Down: 8 * time.Hour, Boots: 2}, sum); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestFinished: the ledger gets the end that the log has, or is about to get.
func TestFinished(t *testing.T) {
	stamp := &Stamp{"b", at("08:00")}
	want := func(to string, end End, within time.Duration, by Source) []Past {
		return []Past{{Boot: "b", From: at("08:00"), To: at(to), End: end, Exact: Exactness{true, within}, By: by}}
	}
	tests := []struct {
		name string
		ev   Evidence
		want []Past
	}{
		{"first boot", evidence(nil), nil},
		{"second run", evidence(func(ev *Evidence) { ev.Stamp = &Stamp{"c", at("12:00")} }, boot("08:00")), nil},
		{"shut down", evidence(func(ev *Evidence) { ev.Stamp, ev.Note = stamp, beat("b", "10:59:30") }, boot("08:00"), shutdown("11:00")),
			want("11:00", ShutDown, 0, "")},
		{"crashed", evidence(func(ev *Evidence) { ev.Stamp, ev.Note = stamp, beat("b", "11:00") }, boot("08:00"), login("pts/0", "11:00:30")),
			want("11:00:30", Crashed, time.Minute, FromHeartbeat)},
		{"crashed, no log", evidence(func(ev *Evidence) { ev.Stamp, ev.Note = stamp, beat("b", "11:00") }),
			want("11:00", Crashed, time.Minute, FromHeartbeat)},
		{"crashed, and init was first", evidence(func(ev *Evidence) { ev.Stamp, ev.Note = stamp, beat("b", "11:00") }, boot("08:00"), login("pts/0", "11:00:30"), boot("12:00:02")),
			want("11:00:30", Crashed, time.Minute, FromHeartbeat)},
		{"shut down, and init was first", evidence(func(ev *Evidence) { ev.Stamp, ev.Note = stamp, beat("b", "10:59:30") }, boot("08:00"), shutdown("11:00"), boot("12:00:02")),
			want("11:00", ShutDown, 0, "")},
		{"in the ledger", evidence(func(ev *Evidence) {
			ev.Stamp, ev.Ledger = stamp, []Past{{Boot: "b", From: at("08:00:01"), To: at("11:00")}}
		}, boot("08:00")), nil},
		{"the log has lost the boot, and has one of minutes before", evidence(func(ev *Evidence) {
			ev.Stamp, ev.Note, ev.Unread = stamp, beat("a", "07:57"), true
			ev.Ledger = []Past{{Boot: "a", From: at("07:56"), To: at("07:57"), End: Crashed, Exact: Exactness{true, time.Minute}, By: FromHeartbeat}}
		}, boot("07:56"), crash(time.Minute, true, FromHeartbeat, "07:57")),
			[]Past{{Boot: "b", From: at("08:00"), To: at("08:00"), By: FromRecords}}},
		{"the log has lost the boot, and has the one of minutes before without an end", evidence(func(ev *Evidence) {
			ev.Stamp, ev.Note, ev.Unread = stamp, beat("a", "07:57"), true
			ev.Ledger = []Past{{Boot: "a", From: at("07:56"), To: at("07:57"), End: Crashed, Exact: Exactness{true, time.Minute}, By: FromHeartbeat}}
		}, boot("07:56")),
			[]Past{{Boot: "b", From: at("08:00"), To: at("08:00"), By: FromRecords}}},
		{"shut down, and the next boot was over at once", evidence(func(ev *Evidence) {
			ev.Stamp, ev.Note = stamp, &Note{Boot: "b", At: at("08:00:38"), Up: 38 * time.Second, State: NoteShutdown}
		}, boot("08:00:55"), boot("12:00:02")),
			[]Past{{Boot: "b", From: at("08:00"), To: at("08:00:38"), Up: 38 * time.Second, End: ShutDown, Exact: Exactness{Known: true}, By: FromHeartbeat}}},
		{"from 1970 on, shut down after utmpd was killed", evidence(func(ev *Evidence) {
			ev.Stamp, ev.Note = &Stamp{"b", at("1970-01-01 00:00:02")}, beat("b", "09:11")
			ev.Note.Up = time.Hour
		}, boot("1970-01-01 00:00:05"), login("pts/0", "09:12:30"), shutdown("09:54")),
			[]Past{{Boot: "b", From: at("1970-01-01 00:00:02"), To: at("09:54"), Up: 103 * time.Minute, Slept: -1, End: ShutDown, Exact: Exactness{Known: true}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Finished(tt.ev, Decide(tt.ev))
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
