// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// TestPairs: which boot of the log a boot of the ledger is, where more than one may be.
func TestPairs(t *testing.T) {
	ended := func(from, to string) Past {
		return Past{Boot: from, From: at(from), To: at(to), End: ShutDown, Exact: Exactness{Known: true}}
	}
	bare := Past{Boot: "b", From: at("08:00"), To: at("08:00"), End: Crashed, By: FromRecords}
	is := func(when string) func(Boot) bool { return func(b Boot) bool { return b.From.Equal(at(when)) } }
	const epoch = "1970-01-01 00:00:05"
	tests := []struct {
		name    string
		recs    []utmpx.Record
		ledger  []Past
		present *Present
		want    []string
	}{
		{"a boot that ended before it could be entered", []utmpx.Record{boot("08:00:00"), boot("08:00:10"), shutdown("09:00"), boot("12:00")},
			[]Past{ended("08:00:06", "09:00")}, nil, []string{"08:00 08:00 crashed", "08:00 09:00 shut down", "12:00 12:00 open"}},
		{"recorded after the clock was set", []utmpx.Record{boot("06:00"), shutdown("07:00"), boot("10:00"), shutdown("11:00"), boot("12:00")},
			[]Past{ended("06:00", "07:00"), bare}, nil, []string{"06:00 07:00 shut down", "10:00 11:00 shut down", "12:00 12:00 open"}},
		{"nothing of it in the log", []utmpx.Record{boot("06:00"), shutdown("07:00"), boot("12:00")},
			[]Past{ended("06:00", "07:00"), bare}, &Present{Is: is("12:00"), Now: at("12:30"), Uptime: 30 * time.Minute},
			[]string{"06:00 07:00 shut down", "08:00 08:00 crashed ledger", "12:00 12:00 open"}},
		{"the present boot is in no ledger", []utmpx.Record{boot(epoch)}, []Past{{Boot: "a", From: at(epoch), To: at(epoch), End: Crashed}},
			&Present{Is: is(epoch), Now: at("12:00"), Uptime: time.Hour}, []string{"00:00 00:00 open"}},
		{"recorded in 1970, and noted after the clock was set", []utmpx.Record{boot("06:00"), shutdown("07:00"), boot(epoch), login("pts/0", "08:30"), shutdown("09:00"), boot("12:00")},
			[]Past{ended("06:00", "07:00"), ended("08:00", "09:00")}, nil, []string{"06:00 07:00 shut down", "00:00 09:00 shut down", "12:00 12:00 open"}},
		{"this boot was recorded before the clock was set", []utmpx.Record{boot("02:00"), shutdown("03:00"), boot("06:00")},
			[]Past{ended("02:00", "03:00"), ended("08:00", "09:00")},
			&Present{Is: is("06:00"), Now: at("12:30"), Uptime: 30 * time.Minute}, []string{"02:00 03:00 shut down", "08:00 09:00 shut down ledger", "06:00 06:00 open"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all, _ := Amend(historyOf(tt.recs...).Boots(), tt.ledger, tt.present)
			if diff := cmp.Diff(tt.want, inShort(all)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestRecordedOnce: what the log has already is not recorded again, though its last boot
// is not found in the ledger, and a boot is not recorded that may be the log's last one.
func TestRecordedOnce(t *testing.T) {
	a := Past{Boot: "a", From: at("06:00"), To: at("07:00"), End: ShutDown, Exact: Exactness{Known: true}}
	for _, tt := range []struct {
		name   string
		change func(*Evidence)
		recs   []utmpx.Record
	}{
		{"the last boot began in 1970", func(ev *Evidence) { ev.Stamp, ev.Ledger = &Stamp{"b", at("1970-01-01 00:00:02")}, []Past{a} },
			[]utmpx.Record{boot("06:00"), shutdown("07:00"), boot("1970-01-01 00:00:20")}},
		{"the clock was set before the last boot was recorded", func(ev *Evidence) { ev.Stamp, ev.Ledger = &Stamp{"b", at("10:00")}, []Past{a} },
			[]utmpx.Record{boot("06:00"), shutdown("07:00"), boot("08:00")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := Decide(evidence(tt.change, tt.recs...))
			if len(v.Missed) != 0 || !v.Write || v.End != Crashed {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestSetBack: a clock that was set back after the boot's record, as the kernel's count
// shows, does not make the boot longer.
func TestSetBack(t *testing.T) {
	note := beat("b", "08:33")
	note.Up = 33 * time.Minute
	v := Decide(evidence(func(ev *Evidence) { ev.Note, ev.Stamp = note, &Stamp{"b", at("10:00")} }, boot("10:00")))
	if !v.At.Equal(at("08:33")) || v.Exact != (Exactness{true, time.Minute}) {
		t.Errorf("%+v", v)
	}
}

// TestSetBackUnseen: the last record of a boot by a clock that was set back after it, of
// which the log says nothing, does not make the boot longer than the kernel counted.
func TestSetBackUnseen(t *testing.T) {
	past := Past{Boot: "a", From: at("10:00"), To: at("19:37"), Up: 11*time.Hour + 37*time.Minute, End: Crashed, By: FromHeartbeat, Exact: Exactness{true, time.Minute}}
	all, _ := Amend(historyOf(boot("10:00"), login("pts/0", "20:26"), boot("23:00")).Boots(), []Past{past}, nil)
	if up, ok := all[0].Up(); !ok || up != past.Up || !all[0].To.Equal(past.To) {
		t.Errorf("up %v, %+v", up, all[0])
	}
}

// TestUnseenSuspend: of a time without the daemon it is not known whether the system was
// suspended.
func TestUnseenSuspend(t *testing.T) {
	for _, tt := range []struct {
		last  string
		known bool
	}{{"09:00:05", true}, {"10:00", false}} {
		ev := evidence(func(ev *Evidence) {
			ev.Note = &Note{Boot: "b", At: at("09:00"), Up: time.Hour, Slept: time.Minute, State: NoteStopped}
			ev.Stamp = &Stamp{"b", at("08:00")}
		}, boot("08:00"), login("pts/0", tt.last))
		past := Finished(ev, Decide(ev))
		all, _ := Amend(historyOf(boot("08:00"), login("pts/0", tt.last), boot("12:00")).Boots(), past, nil)
		if all[0].SleptKnown != tt.known || tt.known && all[0].Slept != time.Minute {
			t.Errorf("last seen at %s: %+v", tt.last, all[0])
		}
	}
}

// TestWentOn: a boot that went on after the last that the ledger knows of it may have been
// suspended then.
func TestWentOn(t *testing.T) {
	past := Past{Boot: "a", From: at("08:00"), To: at("09:00"), Up: time.Hour, End: Crashed, By: FromHeartbeat, Exact: Exactness{true, time.Minute}}
	all, _ := Amend(historyOf(boot("08:00"), login("pts/0", "11:00"), boot("12:00")).Boots(), []Past{past}, nil)
	if all[0].SleptKnown || !all[0].To.Equal(at("11:00")) {
		t.Errorf("%+v", all[0])
	}
}

// TestSameSecond: two boots that began at the same second are two, if init did something
// between them by a clock that was set.
func TestSameSecond(t *testing.T) {
	for _, tt := range []struct {
		init []utmpx.Record
		n    int
	}{{[]utmpx.Record{ended("08:00:01")}, 1}, {[]utmpx.Record{ended("21:12")}, 2}, {[]utmpx.Record{ended("21:12"), ended("08:00:01")}, 2}} {
		recs := slices.Concat([]utmpx.Record{boot("08:00:00")}, tt.init, []utmpx.Record{boot("08:00:01"), login("pts/0", "22:00")})
		if all := historyOf(recs...).Boots(); len(all) != tt.n {
			t.Errorf("init at %v: %v, want %d", tt.init, inShort(all), tt.n)
		}
	}
}

// TestInitByTwoClocks: a clock that starts in 1970 does so at each boot. What init recorded
// by a clock that had been set is the last boot's.
func TestInitByTwoClocks(t *testing.T) {
	all := historyOf(boot("1970-01-01 00:00:03"), ended("08:00"), initRec("1970-01-01 00:00:05"), boot("1970-01-01 00:00:05")).Boots()
	if len(all) != 2 || !all[0].To.Equal(at("08:00")) {
		t.Errorf("%v", inShort(all))
	}
}

// TestSetLater: the clock of a boot that is set much later may have been wrong at its
// beginning; so the time down before it has bounds.
func TestSetLater(t *testing.T) {
	recs := []utmpx.Record{boot("02:00"), shutdown("08:00"), boot("08:00:05"),
		clock(utmpx.OldTime, "10:00"), clock(utmpx.NewTime, "10:20"), shutdown("11:00")}
	ps, _ := Periods(historyOf(recs...).Boots(), time.Time{}, time.Time{}, nil)
	if want := 20*time.Minute + 5*time.Second; ps[0].DownFor != want || !ps[0].DownMost {
		t.Errorf("down for %v, at most: %v; want at most %v", ps[0].DownFor, ps[0].DownMost, want)
	}
}

// TestClockBehindNow: a boot that ended after the present, by the clock, was still up as
// long as it was; nothing is known of the time after it.
func TestClockBehindNow(t *testing.T) {
	for now, sum := range map[string][2]string{"07:00": {"06:59", "07:00"}, "1970-01-01 00:10": {"02:00", "08:00"}} {
		present := &Present{Now: at(now), Uptime: time.Minute, Is: func(b Boot) bool { return b.From.Equal(at(now)) }}
		ps, s := Periods(historyOf(boot("02:00"), shutdown("08:00"), boot(now)).Boots(), time.Time{}, time.Time{}, present)
		if !s.From.Equal(at(sum[0])) || !s.To.Equal(at(sum[1])) {
			t.Errorf("now %s: the sum is over %v to %v, want %v", now, s.From, s.To, sum)
		}
		if ps[0].AwakeFor != 6*time.Hour || ps[0].DownKnown || ps[1].AwakeFor != time.Minute {
			t.Errorf("now %s: %+v", now, ps)
		}
	}
}

// TestPairsByEnd: a boot is found by its end, though another one's beginning is nearer:
// it was recorded minutes late, and the kernel's count of the next one is too long.
func TestPairsByEnd(t *testing.T) {
	counted := func(from, to string) Past {
		return Past{Boot: from, From: at(from), To: at(to), Up: at(to).Sub(at(from)), End: Crashed, Exact: Exactness{true, time.Minute}, By: FromHeartbeat}
	}
	crashed := func(when string) utmpx.Record { return crash(time.Minute, true, FromHeartbeat, when) }
	log := historyOf(boot("08:20:38"), crashed("08:22:29"), boot("08:25:53"), crashed("08:27:56"), boot("12:00")).Boots()
	ledger := []Past{counted("08:18:11", "08:22:29"), counted("08:21:44", "08:27:56")}
	if diff := cmp.Diff([]int{0, 1}, pair(log, ledger)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if first, second := ledger[0], ledger[1]; !second.fits(log[1], log[0]) || first.fits(log[1], log[0]) {
		t.Error("a boot of the ledger is rather the boot of the log that began nearer than the one that ended with it")
	}
}
