// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"os"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/leaktest"
	"utmpd.dev/utmpd/utmpx"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// day is the date of a time without one.
const day = "2026-07-01 "

// at parses a time of that day, or one with a date.
func at(s string) time.Time {
	if len(s) <= len("15:04:05") {
		s = day + s
	}
	for _, form := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(form, s, time.UTC); err == nil {
			return t
		}
	}
	panic("not a time: " + s)
}

func rec(t utmpx.Type, pid int32, line, id, user, host, when string) utmpx.Record {
	return utmpx.Record{Type: t, PID: pid, Line: line, ID: id, User: user, Host: host, Time: utmpx.TimeOf(at(when))}
}

// Records as systemd, sysvinit and login programs write them.
func boot(when string) utmpx.Record {
	return rec(utmpx.BootTime, 0, "~", "~~", "reboot", "6.1.0-53-amd64", when)
}
func shutdown(when string) utmpx.Record {
	return rec(utmpx.RunLevel, 0, "~", "~~", "shutdown", "6.1.0-53-amd64", when)
}
func level(from, to byte, when string) utmpx.Record {
	return rec(utmpx.RunLevel, int32(from)<<8|int32(to), "~", "~~", "runlevel", "6.1.0-53-amd64", when)
}
func login(line, when string) utmpx.Record {
	return rec(utmpx.UserProcess, 900, line, "ts/0", "alice", "192.0.2.7", when)
}
func logout(line, when string) utmpx.Record {
	return rec(utmpx.DeadProcess, 900, line, "", "", "", when)
}
func getty(when string) utmpx.Record {
	return rec(utmpx.LoginProcess, 700, "tty1", "tty1", "LOGIN", "", when)
}
func clock(t utmpx.Type, when string) utmpx.Record {
	return rec(t, 0, map[utmpx.Type]string{utmpx.OldTime: "|", utmpx.NewTime: "{"}[t], "", "date", "", when)
}
func crash(within time.Duration, known bool, by Source, when string) utmpx.Record {
	return CrashRecord(at(when), Exactness{known, within}, by)
}

func historyOf(recs ...utmpx.Record) *History {
	h := new(History)
	for _, r := range recs {
		h.Add(r)
	}
	return h
}
