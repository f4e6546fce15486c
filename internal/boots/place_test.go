// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// counted is a boot of a ledger, with the kernel's count, and a clock that was not set.
func counted(from, to string, end End) Past {
	return Past{Boot: from, From: at(from), To: at(to), Up: at(to).Sub(at(from)), End: end, Exact: Exactness{Known: true}}
}

// TestPlaces: which boot of the log a boot of the ledger is, and where one belongs that the log
// lacks, by the order that both have.
func TestPlaces(t *testing.T) {
	hole := utmpx.Record{}
	const fixed = "2023-07-10 21:44"
	set := func(to string, end End, up time.Duration) Past {
		return Past{Boot: to, From: at(fixed), To: at(to), Up: up, End: end, Exact: Exactness{Known: up > 0}}
	}
	bare := func(when string) Past {
		return Past{Boot: when, From: at(when), To: at(when), End: Crashed, By: FromRecords}
	}
	tests := []struct {
		name   string
		recs   []utmpx.Record
		ledger []Past
		want   []string
	}{
		{"the log has lost the beginning, and knows that it went on", []utmpx.Record{hole, login("pts/0", "10:00"), login("pts/1", "11:00"), boot("12:00")},
			[]Past{counted("08:00", "10:30", Crashed)}, []string{"08:00 11:00 crashed ledger", "12:00 12:00 open"}},
		{"the log has lost the beginning, and the clock was set before its records", []utmpx.Record{hole, clock(utmpx.OldTime, "09:00"), clock(utmpx.NewTime, "17:00"), login("pts/0", "17:30"), boot("20:00")},
			[]Past{counted("08:00", "09:30", Crashed)}, []string{"08:00 09:30 crashed ledger", "09:00 17:30 crashed", "20:00 20:00 open"}},
		{"a login that is older than the kernel is of the boot before", []utmpx.Record{hole, login("pts/0", "07:58"),
			rec(utmpx.RunLevel, 0, "~~", "~~", "reboot", "6.1", "08:00:06"), shutdown("09:00"), boot("12:00")},
			[]Past{counted("08:00", "09:00", ShutDown)}, []string{"08:00 09:00 shut down ledger", "12:00 12:00 open"}},
		{"no log, and the clock was behind in one", nil, []Past{counted("08:00", "15:00", Crashed), bare("06:43"), counted("17:00", "18:00", ShutDown)},
			[]string{"08:00 15:00 crashed ledger", "06:43 06:43 crashed ledger", "17:00 18:00 shut down ledger"}},
		{"one before the first is not the third", []utmpx.Record{boot("08:00"), shutdown("09:00"), boot(fixed), boot("12:00")},
			[]Past{set("2023-07-12 23:50", ShutDown, time.Hour), counted("08:00", "09:00", ShutDown)},
			[]string{"08:00 09:00 shut down", "21:44 21:44 crashed", "12:00 12:00 open"}},
		{"one that ended after the end that the log has of another", []utmpx.Record{boot(fixed + ":06"), shutdown("08:50"), boot(fixed + ":08"), boot("12:00")},
			[]Past{set("09:00", Crashed, 0)}, []string{"21:44 08:50 shut down", "21:44 09:00 crashed ledger", "12:00 12:00 open"}},
		{"the end tells, where the clock starts at one time", []utmpx.Record{boot(fixed + ":02"), login("pts/0", "05:00"), boot(fixed + ":05"), login("pts/0", "08:55"), boot("12:00")},
			[]Past{set("09:00", Crashed, 0)}, []string{"21:44 05:00 crashed", "21:44 09:00 crashed ledger", "12:00 12:00 open"}},
		{"the stamp has the time of the record", []utmpx.Record{boot("1970-01-01 00:00:03"), login("pts/0", "08:11"), boot("12:00")},
			[]Past{{Boot: "a", From: at("1970-01-01 00:00:02"), To: at("08:09"), Up: time.Hour, End: Crashed, Exact: Exactness{true, 10 * time.Minute}},
				{Boot: "b", From: at("1970-01-01 00:00:03"), To: at("11:00"), Up: 171 * time.Minute, End: Crashed, Exact: Exactness{Known: true}}},
			[]string{"00:00 11:00 crashed ledger", "12:00 12:00 open"}},
		{"nothing but a beginning, and others followed", []utmpx.Record{boot("06:00"), shutdown("07:00"), boot("15:00"), boot("18:00"), shutdown("19:00")},
			[]Past{counted("06:00", "07:00", ShutDown), bare("08:00"), counted("10:00", "11:00", Crashed), counted("18:00", "19:00", ShutDown)},
			[]string{"06:00 07:00 shut down", "08:00 08:00 crashed ledger", "10:00 11:00 crashed ledger", "15:00 15:00 crashed", "18:00 19:00 shut down"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all, _ := Amend(damaged(tt.recs...), tt.ledger, nil)
			if diff := cmp.Diff(tt.want, inShort(all)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestMaybeMissing: a boot of which only the beginning is known may be the next one in the log, if
// the clock was set between; so the time down beside that one has bounds.
func TestMaybeMissing(t *testing.T) {
	bare := Past{Boot: "b", From: at("04:00"), To: at("04:00"), End: Crashed, By: FromRecords}
	all, _ := Amend(historyOf(boot("02:00"), shutdown("03:00"), boot("06:00"), boot("12:00")).Boots(), []Past{counted("02:00", "03:00", ShutDown), bare}, nil)
	ps, _ := Periods(all, time.Time{}, time.Time{}, nil)
	if len(ps) != 3 || !ps[0].DownMost || ps[0].DownFor != 3*time.Hour {
		t.Errorf("%v", claimed(ps))
	}
}

// TestSame: one boot is one in the ledger, though its stamp was lost and left again, and the clock
// was set meanwhile. Two starts of a container have one id.
func TestSame(t *testing.T) {
	first := Past{Boot: "b", From: at("10:00:02"), To: at("20:00"), Up: 9 * time.Hour}
	tests := []struct {
		name string
		with Past
		want bool
	}{
		{"counted from the boot's beginning", Past{Boot: "b", From: at("10:59:55"), To: at("20:00"), Up: 9*time.Hour + 5*time.Second}, true},
		{"another id", Past{Boot: "c", From: at("10:59:55"), To: at("20:00"), Up: 9 * time.Hour}, false},
		{"a container's next start", Past{Boot: "b", From: at("20:01"), To: at("20:30"), Up: 29 * time.Minute}, false},
		{"only noted", Past{Boot: "b", From: at("20:00"), To: at("20:00")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := first.Same(tt.with); got != tt.want {
				t.Error(got)
			}
		})
	}
}

// TestKnown: before the ledger has the last boot, the stamp and the note tell of it. Whether it
// crashed they only guess.
func TestKnown(t *testing.T) {
	note := &Note{Boot: "b", At: at("11:00"), Up: 3 * time.Hour, State: NoteStopped}
	ledger := []Past{counted("02:00", "04:00", ShutDown)}
	ev := evidence(func(ev *Evidence) { ev.Stamp, ev.Note, ev.Ledger = &Stamp{"b", at("08:00")}, note, ledger })
	want := append(ledger[:1:1], Past{Boot: "b", From: at("08:00"), To: at("11:00"), Up: 3 * time.Hour, By: FromHeartbeat})
	if diff := cmp.Diff(want, Known(ev)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	ev.Stamp = &Stamp{"c", at("12:00")}
	if diff := cmp.Diff(ledger, Known(ev)); diff != "" {
		t.Errorf("in this boot (-want +got)\n%s", diff)
	}
}
