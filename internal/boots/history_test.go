// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// initRec and ended are what sysvinit writes when it starts a script, and when that has
// ended.
func initRec(hour string) utmpx.Record { return rec(utmpx.InitProcess, 145, "", "si", "", "6.1", hour) }
func ended(hour string) utmpx.Record   { return rec(utmpx.DeadProcess, 145, "", "si", "", "6.1", hour) }

// show formats boots, one per line: from, to, end, up, down, exactness.
func show(all []Boot) string {
	clock := func(t time.Time) string {
		if t.UTC().Format("2006-01-02 ") == day {
			return t.UTC().Format("15:04:05")
		}
		return t.UTC().Format("2006-01-02 15:04:05")
	}
	length := func(d time.Duration, ok bool) string {
		if !ok {
			return "unknown"
		}
		return d.String()
	}
	var b strings.Builder
	for i, p := range all {
		unrecorded := map[bool]string{true: "", false: "?"}[p.Recorded]
		down := "-"
		if i+1 < len(all) {
			down = length(p.Down(all[i+1]))
		}
		exact := map[bool]string{true: "+" + p.Exact.Within.String(), false: "inexact"}[p.Exact.Known]
		fmt.Fprintf(&b, "%s%s to %s, %v, up %s, down %s, %s\n", clock(p.From), unrecorded, clock(p.To), p.End, length(p.Up()), down, exact)
	}
	return b.String()
}

func TestHistory(t *testing.T) {
	tests := []struct {
		name string
		recs []utmpx.Record
		want string
	}{
		{"no records", nil, ""},
		{"a record that says it is none", []utmpx.Record{
			boot("08:00"), login("pts/0", "09:00"), rec(utmpx.Empty, 900, "pts/1", "ts/1", "alice", "", "11:00"), boot("12:01"), shutdown("12:30"),
		}, "08:00:00 to 09:00:00, crashed, up 1h0m0s, down 3h1m0s, inexact\n12:01:00 to 12:30:00, shut down, up 29m0s, down -, +0s\n"},
		{"systemd: boot, shutdown, boot", []utmpx.Record{
			boot("08:00"), level('N', '5', "08:00:20"), getty("08:00:21"), login("pts/0", "09:00"), logout("pts/0", "10:00"), shutdown("12:00"),
			boot("12:01"), login("pts/0", "13:00"),
		}, "08:00:00 to 12:00:00, shut down, up 4h0m0s, down 1m0s, +0s\n12:01:00 to 13:00:00, open, up 59m0s, down -, inexact\n"},
		{"systemd: power failure, not recorded", []utmpx.Record{
			boot("08:00"), login("pts/0", "09:00"), boot("12:01"), shutdown("12:30"),
		}, "08:00:00 to 09:00:00, crashed, up 1h0m0s, down 3h1m0s, inexact\n12:01:00 to 12:30:00, shut down, up 29m0s, down -, +0s\n"},
		{"power failure, recorded", []utmpx.Record{
			boot("08:00"), login("pts/0", "09:00"), crash(time.Minute, true, FromHeartbeat, "11:00"), boot("12:01"),
		}, "08:00:00 to 11:00:00, crashed, up 3h0m0s, down 1h1m0s, +1m0s\n12:01:00 to 12:01:00, open, up 0s, down -, inexact\n"},
		{"power failure, inexact", []utmpx.Record{
			boot("08:00"), crash(0, false, FromRecords, "08:00"), boot("12:01"),
		}, "08:00:00 to 08:00:00, crashed, up 0s, down 4h1m0s, inexact\n12:01:00 to 12:01:00, open, up 0s, down -, inexact\n"},
		{"sysvinit: level 6, then halt -w", []utmpx.Record{
			boot("08:00"), level('N', '2', "08:00:01"), getty("08:00:02"), level('2', '6', "12:00"), logout("tty1", "12:00:01"), shutdown("12:00:05"),
			boot("12:01"), level('N', '2', "12:01:10"),
		}, "08:00:00 to 12:00:05, shut down, up 4h0m5s, down 55s, +0s\n12:01:00 to 12:01:10, open, up 10s, down -, inexact\n"},
		{"sysvinit: level 6, then a power failure", []utmpx.Record{
			boot("08:00"), level('2', '6', "12:00"), boot("12:01"),
		}, "08:00:00 to 12:00:00, shut down, up 4h0m0s, down 1m0s, +0s\n12:01:00 to 12:01:00, open, up 0s, down -, inexact\n"},
		{"busybox: shutdowns only", []utmpx.Record{
			login("tty1", "08:00"), rec(utmpx.RunLevel, 0, "~~", "~~", "shutdown", "6.1", "09:00"),
			login("tty1", "10:00"), rec(utmpx.RunLevel, 0, "~~", "~~", "shutdown", "6.1", "11:00"),
		}, "08:00:00? to 09:00:00, shut down, up 1h0m0s, down unknown, +0s\n10:00:00? to 11:00:00, shut down, up 1h0m0s, down -, +0s\n"},
		{"OpenRC: a login before the boot's record", []utmpx.Record{
			boot("08:00"), rec(utmpx.RunLevel, 0, "~~", "~~", "shutdown", "6.1", "09:00"),
			login("pts/0", "09:01"), rec(utmpx.RunLevel, 0, "~~", "~~", "reboot", "6.1", "09:01:30"), login("pts/1", "09:30"),
		}, "08:00:00 to 09:00:00, shut down, up 1h0m0s, down 1m0s, +0s\n09:01:00 to 09:30:00, open, up 29m0s, down -, inexact\n"},
		{"s6: reboot, boots not recorded", []utmpx.Record{
			login("tty1", "08:00"), rec(utmpx.RunLevel, 260, "~", "", "reboot", "desk", "09:00"), login("tty1", "09:05"),
		}, "08:00:00? to 09:00:00, shut down, up 1h0m0s, down unknown, +0s\n09:05:00? to 09:05:00, open, up 0s, down -, inexact\n"},
		{"sysvinit: a record of init before the boot's", []utmpx.Record{
			rec(utmpx.DeadProcess, 145, "", "si", "", "6.1", "07:59:59"), boot("08:00"), login("pts/0", "08:30"), shutdown("09:00"), boot("09:01"),
		}, "08:00:00 to 09:00:00, shut down, up 1h0m0s, down 1m0s, +0s\n09:01:00 to 09:01:00, open, up 0s, down -, inexact\n"},
		{"sysvinit: power failure, init's records before the next boot's", []utmpx.Record{
			boot("08:00"), login("pts/0", "08:30"), initRec("17:29:50"), ended("17:30:01"), boot("17:30:01"), shutdown("18:00"),
		}, "08:00:00 to 08:30:00, crashed, up 30m0s, down 9h0m1s, inexact\n17:30:01 to 18:00:00, shut down, up 29m59s, down -, +0s\n"},
		{"sysvinit: init's records, and the boot goes on", []utmpx.Record{
			boot("08:00"), initRec("08:10"), ended("08:20"), level('N', '2', "08:15"), ended("08:30"), boot("09:00"),
		}, "08:00:00 to 08:20:00, crashed, up 20m0s, down 40m0s, inexact\n09:00:00 to 09:00:00, open, up 0s, down -, inexact\n"},
		{"sysvinit: log ends with init's records", []utmpx.Record{
			boot("08:00"), login("pts/0", "08:30"), initRec("17:29:50"), ended("17:30:01"),
		}, "08:00:00 to 08:30:00, open, up 30m0s, down -, inexact\n"},
		{"sysvinit: log begins with init's records, long before the boot's", []utmpx.Record{
			initRec("07:00"), ended("07:30"), boot("08:00"), shutdown("09:00"),
		}, "08:00:00 to 09:00:00, shut down, up 1h0m0s, down -, +0s\n"},
		{"log begins during a boot", []utmpx.Record{
			logout("pts/0", "08:00"), login("pts/0", "08:30"), shutdown("09:00"), boot("09:01"),
		}, "08:00:00? to 09:00:00, shut down, up 1h0m0s, down 1m0s, +0s\n09:01:00 to 09:01:00, open, up 0s, down -, inexact\n"},
		{"log begins with a shutdown", []utmpx.Record{shutdown("09:00"), boot("09:01")},
			"09:00:00? to 09:00:00, shut down, up 0s, down 1m0s, +0s\n09:01:00 to 09:01:00, open, up 0s, down -, inexact\n"},
		{"boot recorded by two programs", []utmpx.Record{boot("08:00"), boot("08:00:01"), shutdown("09:00")},
			"08:00:00 to 09:00:00, shut down, up 1h0m0s, down -, +0s\n"},
		{"shutdown recorded, system went on, then a crash", []utmpx.Record{
			boot("08:00"), shutdown("09:00"), crash(time.Minute, true, FromHeartbeat, "11:00"), boot("11:05"),
		}, "08:00:00 to 11:00:00, crashed, up 3h0m0s, down 5m0s, +1m0s\n11:05:00 to 11:05:00, open, up 0s, down -, inexact\n"},
		{"a shutdown found later", []utmpx.Record{boot("08:00"), LateShutdownRecord(at("09:00"), FromHeartbeat), boot("09:01")},
			"08:00:00 to 09:00:00, shut down, up 1h0m0s, down 1m0s, +0s\n09:01:00 to 09:01:00, open, up 0s, down -, inexact\n"},
		{"clock set forward, recorded", []utmpx.Record{
			boot("08:00"), clock(utmpx.OldTime, "08:10"), clock(utmpx.NewTime, "10:10"), shutdown("11:00"), boot("11:01"),
		}, "08:00:00 to 11:00:00, shut down, up 1h0m0s, down 1m0s, +0s\n11:01:00 to 11:01:00, open, up 0s, down -, inexact\n"},
		{"clock set back, recorded", []utmpx.Record{
			boot("08:00"), login("pts/0", "10:00"), clock(utmpx.OldTime, "10:10"), clock(utmpx.NewTime, "08:10"), boot("09:00"),
		}, "08:00:00 to 08:10:00, crashed, up 2h10m0s, down 50m0s, inexact\n09:00:00 to 09:00:00, open, up 0s, down -, inexact\n"},
		{"clock set back, not recorded", []utmpx.Record{
			boot("10:00"), login("pts/0", "08:10"), shutdown("09:00"), boot("09:05"),
		}, "10:00:00 to 09:00:00, shut down, up 50m0s, down 5m0s, +0s\n09:05:00 to 09:05:00, open, up 0s, down -, inexact\n"},
		{"clock set back, not recorded, and nothing follows", []utmpx.Record{boot("08:01:04"), login("pts/0", "08:00:21"), boot("12:00")},
			"08:01:04 to 08:00:21, crashed, up unknown, down 3h59m39s, inexact\n12:00:00 to 12:00:00, open, up 0s, down -, inexact\n"},
		{"log begins with a step of the clock", []utmpx.Record{
			clock(utmpx.OldTime, "08:00"), clock(utmpx.NewTime, "10:00"), login("pts/0", "10:30"), shutdown("11:00"),
		}, "08:00:00? to 11:00:00, shut down, up 1h0m0s, down -, +0s\n"},
		{"sysvinit, a clock that starts at one time: the first run level is of the boot before", []utmpx.Record{
			boot("2023-07-10 21:44"), ended("2023-07-10 21:44"), level('N', '2', "10:00"), initRec("2023-07-10 21:44:30"), boot("2023-07-10 21:44:30"),
		}, "2023-07-10 21:44:00 to 10:00:00, crashed, up unknown, down unknown, inexact\n2023-07-10 21:44:30 to 2023-07-10 21:44:30, open, up unknown, down -, inexact\n"},
		{"no clock at boot", []utmpx.Record{
			boot("1970-01-01 00:00:03"), login("pts/0", "08:10"), shutdown("09:00"),
			boot("1970-01-01 00:00:04"), clock(utmpx.OldTime, "1970-01-01 00:00:34"), clock(utmpx.NewTime, "09:01:30"), login("pts/0", "10:00"),
		}, "1970-01-01 00:00:03 to 09:00:00, shut down, up 50m0s, down 1m0s, +0s\n1970-01-01 00:00:04 to 10:00:00, open, up 59m0s, down -, inexact\n"},
		{"no clock ever", []utmpx.Record{
			boot("1970-01-01 00:00:03"), boot("1970-01-01 00:00:05"), boot("1970-01-01 00:00:09"),
		}, "1970-01-01 00:00:03 to 1970-01-01 00:00:03, crashed, up unknown, down unknown, inexact\n1970-01-01 00:00:05 to 1970-01-01 00:00:05, crashed, up unknown, down unknown, inexact\n1970-01-01 00:00:09 to 1970-01-01 00:00:09, open, up unknown, down -, inexact\n"},
		{"clock behind at the next boot", []utmpx.Record{boot("08:00"), shutdown("09:00"), boot("07:00")},
			"08:00:00 to 09:00:00, shut down, up 1h0m0s, down unknown, +0s\n07:00:00 to 07:00:00, open, up 0s, down -, inexact\n"},
		{"clock a second behind at the next boot", []utmpx.Record{boot("08:00"), shutdown("09:00:01"), boot("09:00")},
			"08:00:00 to 09:00:01, shut down, up 1h0m1s, down 0s, +0s\n09:00:00 to 09:00:00, open, up 0s, down -, inexact\n"},
		{"sysvinit, its clock set between a script and the first run level", []utmpx.Record{
			boot("08:00"), ended("08:00"), level('N', '2', "09:46"), login("pts/0", "10:00"), shutdown("12:00"), boot("13:00"),
		}, "08:00:00 to 12:00:00, shut down, up 2h14m0s, down 1h0m0s, +0s\n13:00:00 to 13:00:00, open, up 0s, down -, inexact\n"},
		{"sysvinit, the first run level before a shutdown", []utmpx.Record{
			boot("08:00"), ended("08:00"), level('N', '2', "09:46"), shutdown("12:00"), boot("13:00"),
		}, "08:00:00 to 12:00:00, shut down, up 2h14m0s, down 1h0m0s, +0s\n13:00:00 to 13:00:00, open, up 0s, down -, inexact\n"},
		{"a logout is written late", []utmpx.Record{boot("08:00"), login("pts/0", "09:00"), logout("pts/1", "08:59"), boot("10:00")},
			"08:00:00 to 09:00:00, crashed, up 1h0m0s, down 1h0m0s, inexact\n10:00:00 to 10:00:00, open, up 0s, down -, inexact\n"},
		{"records without a time", []utmpx.Record{boot("08:00"), {Type: utmpx.UserProcess, Line: "pts/0", User: "a"}, {}, shutdown("09:00")},
			"08:00:00 to 09:00:00, shut down, up 1h0m0s, down -, +0s\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, show(historyOf(tt.recs...).Boots())); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// FuzzHistory checks that for any records nothing panics, no duration is
// negative, and the availability lies between 0 and 1.
func FuzzHistory(f *testing.F) {
	var seed []byte
	for _, r := range []utmpx.Record{boot("08:00"), login("pts/0", "09:00"), clock(utmpx.OldTime, "09:30"), clock(utmpx.NewTime, "07:30"), shutdown("10:00"), boot("06:00")} {
		b, err := utmpx.Glibc384LE.Encode(r)
		if err != nil {
			f.Fatal(err)
		}
		seed = append(seed, b...)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, in []byte) {
		l := utmpx.Glibc384LE
		var h History
		for ; len(in) >= l.Size(); in = in[l.Size():] {
			h.Add(l.Decode(string(in[:l.Size()])))
		}
		ps, s := Periods(h.Boots(), time.Time{}, time.Time{}, nil)
		agree(t, ps, s)
		part, of := Periods(h.Boots(), at("08:30"), at("09:30"), nil)
		agree(t, part, of)
		for _, p := range ps {
			if p.UpFor < 0 || p.DownFor < 0 {
				t.Errorf("negative duration: %+v", p)
			}
		}
		if s.Up < 0 || s.Down < 0 || s.Unknown < 0 {
			t.Errorf("negative sum: %+v", s)
		}
		if least, most, ok := s.Availability(); ok && (least < 0 || least > most || most > 1.0000001) {
			t.Errorf("availability %v to %v", least, most)
		}
	})
}

// TestDamagedEnd: where the log is damaged, the record of a shutdown may have been. A boot
// that went on after the damage did not end there.
func TestDamagedEnd(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after []utmpx.Record // the damage
		want  End
	}{
		{"nothing but the next boot", nil, Open},
		{"a logout of before", []utmpx.Record{logout("pts/0", "09:30")}, Open},
		{"a login", []utmpx.Record{login("pts/1", "10:00")}, Crashed},
		{"a shutdown", []utmpx.Record{shutdown("10:00")}, ShutDown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var h History
			h.Add(boot("08:00"))
			h.Add(login("pts/0", "09:00"))
			h.Damage()
			for _, r := range tt.after {
				h.Add(r)
			}
			open := h.Boots()
			v := Decide(evidence(func(ev *Evidence) { ev.Boots, ev.Stamp, ev.Note = open, &Stamp{"b", at("08:00")}, nil }))
			if v.InDamage != (tt.want == Open) || v.Write != (tt.want == Crashed) {
				t.Errorf("%+v", v)
			}
			h.Add(boot("12:00"))
			all := h.Boots()
			if all[0].End != tt.want || all[0].Damaged != (tt.want == Open) {
				t.Errorf("%+v", all[0])
			}
		})
	}
}
