// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// part is some bytes of a log: whole records, or damage.
type part struct {
	records []utmpx.Record
	torn    int // so many bytes of a record
	nuls    int
}

func whole(recs ...utmpx.Record) part { return part{records: recs} }

// put writes the parts to the log, and returns from which byte to which each damaged one
// is, and how many records are lost there, as utmpctl is to name them.
func (l *lab) put(parts ...part) (places []string) {
	l.t.Helper()
	size := utmpx.Native().Size()
	var log []byte
	for _, p := range parts {
		from := len(log)
		switch {
		case p.torn > 0:
			log = append(log, encode(l.t, login("pts/7", 4711, "12:00"))[:p.torn]...)
		case p.nuls > 0:
			log = append(log, make([]byte, p.nuls)...)
		default:
			log = append(log, encode(l.t, p.records...)...)
			continue
		}
		lost := "one record is"
		if n := (len(log) - from + size - 1) / size; n > 1 {
			lost = fmt.Sprintf("%d records are", n)
		}
		places = append(places, fmt.Sprintf("utmpctl: read %s: bytes %d to %d are damaged: at most %s lost", l.path("wtmp"), from, len(log), lost))
	}
	l.write("wtmp", log)
	return places
}

func booted(when string) utmpx.Record  { return system(utmpx.BootTime, "reboot", when) }
func stopped(when string) utmpx.Record { return system(utmpx.RunLevel, "shutdown", when) }

const (
	restRead   = "utmpctl: every other record was read; `utmpctl repair FILE` takes the damage out"
	incomplete = "utmpctl: downtime: some files could not be read completely; see above"
)

// TestDowntimeNamesDamage: downtime shows what was read, names what was not, and fails.
func TestDowntimeNamesDamage(t *testing.T) {
	first := whole(booted("08:00"), login("pts/0", 900, "09:00"), stopped("10:00"))
	second := whole(booted("11:00"), login("pts/0", 901, "11:30"), stopped("12:00"))
	many := []part{first}
	for range damagesMost + 2 {
		many = append(many, part{torn: 100}, whole(login("pts/1", 902, "10:10"), login("pts/2", 903, "10:20"), login("pts/3", 904, "10:30")))
	}
	for _, test := range []struct {
		name  string
		log   []part
		named int
		more  string
	}{
		{"torn", []part{first, {torn: 100}, second}, 1, ""},
		{"a block of NULs", []part{first, {nuls: 4096}, second}, 1, ""},
		{"the file was cut off at its start", []part{{nuls: 0, torn: 200}, first, second}, 1, ""},
		{"two places", []part{first, {torn: 100}, second, {torn: 90}, whole(booted("13:00"), login("pts/0", 905, "13:10"), stopped("14:00"))}, 2, ""},
		{"many places", many, damagesMost, "utmpctl: and 2 more damaged places"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.starts("C", "20:00")
			places := l.put(test.log...)
			if len(places) < test.named {
				t.Fatalf("%d damaged places", len(places))
			}
			want := slices.Clone(places[:test.named])
			if test.more != "" {
				want = append(want, test.more)
			}
			want = append(want, restRead, incomplete)
			status, out, said := l.try("downtime")
			if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(said), "\n")); diff != "" || status != exitError {
				t.Errorf("status %d, stderr (-want +got)\n%s", status, diff)
			}
			if !strings.Contains(out, "2026-07-01 08:00:00  ") || !strings.Contains(out, "boots, ") {
				t.Errorf("the other boots are not shown:\n%s", out)
			}
		})
	}
}

// TestBootNamesDamage: boot names the damage that it met on its way back, records this boot,
// and succeeds. No end is invented.
func TestBootNamesDamage(t *testing.T) {
	const noEnd = "is damaged where the end of the last boot may have been recorded, so no end is recorded"
	first := whole(booted("08:00"), login("pts/0", 900, "09:00"), login("pts/1", 901, "09:10"))
	for _, test := range []struct {
		name string
		log  []part
		want []string // behind the damaged places
		ends string   // the record of the end of the last boot
	}{
		{"where the end was", []part{first, {nuls: 4 * utmpx.Native().Size()}}, []string{noEnd}, ""},
		{"within the last boot", []part{first, {nuls: 4096}, whole(login("pts/4", 905, "09:20"), login("pts/5", 906, "09:30"))}, nil, "09:30:00 RUN_LVL shutdown crash+?,last-record"},
		{"before the last boot", []part{first, {torn: 100}, whole(booted("10:00"), login("pts/2", 902, "10:10"), stopped("10:30"))}, nil, "10:30:00 RUN_LVL shutdown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, "BOOT_RECORDS=yes")
			l.starts("B", "12:00")
			places := l.put(test.log...)
			slices.Reverse(places)
			want := append(places, restRead)
			for _, w := range test.want {
				want = append(want, "utmpctl: "+l.path("wtmp")+" "+w)
			}
			status, _, said := l.try("boot")
			if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(said), "\n")); diff != "" || status != exitOK {
				t.Errorf("status %d, stderr (-want +got)\n%s", status, diff)
			}
			var ends []string
			for _, line := range l.lines("wtmp") {
				if strings.Contains(line, "RUN_LVL") {
					ends = append(ends, line)
				}
			}
			if got := strings.Join(ends, ", "); got != test.ends {
				t.Errorf("the log tells the ends %q, want %q", got, test.ends)
			}
		})
	}
}

// TestOlderAndDamaged: a log that is damaged, and older than the last boot, gets that boot's
// records, and no end for a boot that has one.
func TestOlderAndDamaged(t *testing.T) {
	older := whole(booted("08:00"), login("pts/0", 900, "08:10"), stopped("10:00"))
	was := []string{"08:00:00 BOOT_TIME reboot", "08:10:00 USER alice pts/0", "10:00:00 RUN_LVL shutdown"}
	became := []string{"15:00:00 BOOT_TIME reboot ", "18:00:00 RUN_LVL shutdown crash+60s,heartbeat", "20:00:00 BOOT_TIME reboot"}
	for _, test := range []struct {
		name string
		log  []part
		want []string
		down string
	}{
		{"NULs behind", []part{older, {nuls: 4096}}, was, "2026-07-01 10:00:00  shut down  2h00m  < 5h00m  yes"},
		{"NULs before", []part{{nuls: 10 * utmpx.Native().Size()}, older}, was, "2026-07-01 10:00:00  shut down  2h00m  5h00m  yes"},
		{"torn inside", []part{whole(older.records[:1]...), {torn: 200}, whole(older.records[1:]...)}, was, "2026-07-01 10:00:00  shut down  > 1h50m  < 5h00m  no: the log is damaged"},
		{"NULs alone", []part{{nuls: 8192}}, nil, "2026-07-01 18:00:00  crashed  3h00m  2h00m  +60 s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, "BOOT_RECORDS=yes")
			l.put(test.log...)
			l.starts("B", "15:00")
			l.old("boot", "15:00", 0)
			l.old("heartbeat", "18:00", time.Minute)
			l.starts("C", "20:00")
			status, _, said := l.try("boot")
			if status != exitOK {
				t.Errorf("status %d: %s", status, said)
			}
			l.holds("wtmp", slices.Concat(test.want, became)...)
			_, out, _ := l.try("downtime")
			if !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(test.down), " ")) || !strings.Contains(out, "1 crash;") {
				t.Errorf("downtime does not tell %q:\n%s", test.down, out)
			}
		})
	}
}
