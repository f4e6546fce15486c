// SPDX-License-Identifier: BSD-2-Clause

package foreign

import (
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// TestConvert: what another system's file is made of is known there, and comes back.
func TestConvert(t *testing.T) {
	linux := []utmpx.Record{
		{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.1.0", Time: utmpx.Time{Sec: 1_700_000_000}},
		{Type: utmpx.UserProcess, PID: 100, Line: "pts/0", ID: "ts/0", User: "alice", Host: "ws7", Time: utmpx.Time{Sec: 1_700_000_100}},
		{Type: utmpx.DeadProcess, PID: 100, Line: "pts/0", ID: "ts/0", Time: utmpx.Time{Sec: 1_700_000_200}},
		{Type: utmpx.RunLevel, Line: "~", ID: "~~", User: "shutdown", Host: "6.1.0", Time: utmpx.Time{Sec: 1_700_000_300}},
	}
	for _, f := range forms {
		var c Converter
		b := f.Header()
		for _, r := range linux {
			var err error
			if b, err = f.Append(b, c.Convert(r, utmpx.Glibc384LE, f.layout)); err != nil {
				t.Fatal(err)
			}
		}
		if got := Detect(b); got != f || c.IDs != 0 {
			t.Errorf("a file of Linux, as %s, trimmed %v: detected as %+v, %d identifiers", f.layout, f.trimmed, got, c.IDs)
		}
	}
}

// TestConvertIDs: FreeBSD's identifiers have no room in other layouts. All else is kept, and a
// logout has the line and the identifier of its login.
func TestConvertIDs(t *testing.T) {
	id := libulog("pts/12")
	freebsd := []utmpx.Record{
		{Type: utmpx.BootTime, Time: utmpx.Time{Sec: 1_700_000_000}},
		{Type: utmpx.UserProcess, PID: 100, Line: "pts/12", ID: string(id[:]), User: "alice", Host: "ws7", Time: utmpx.Time{Sec: 1_700_000_100}},
		{Type: utmpx.DeadProcess, PID: 101, ID: string(id[:]), Time: utmpx.Time{Sec: 1_700_000_200}},
		{Type: utmpx.DeadProcess, PID: 102, ID: "abcdefgh", Time: utmpx.Time{Sec: 1_700_000_200}},
		{Type: utmpx.DownTime, Time: utmpx.Time{Sec: 1_700_000_300}},
	}
	var c Converter
	to := utmpx.Glibc384LE
	got := make([]utmpx.Record, len(freebsd))
	for i, r := range freebsd {
		b, err := to.Encode(c.Convert(r, utmpx.FreeBSD197, to))
		if err != nil {
			t.Fatal(err)
		}
		got[i] = to.Decode(string(b))
	}
	if r := got[0]; r.Line != "~" || r.User != "reboot" {
		t.Errorf("boot: %v", r)
	}
	if r := got[1]; r.Line != "pts/12" || r.ID != "s/12" || r.User != "alice" || r.PID != 100 {
		t.Errorf("login: %v", r)
	}
	if r := got[2]; r.Line != "pts/12" || r.ID != "s/12" || r.PID != 101 {
		t.Errorf("logout: %v", r)
	}
	if r := got[3]; r.Line != "" || r.ID != "efgh" {
		t.Errorf("logout of an unknown login: %v", r)
	}
	if r := got[4]; r.Type != utmpx.RunLevel || r.User != "shutdown" || r.Line != "~" {
		t.Errorf("shutdown: %v", r)
	}
	if c.IDs != 3 {
		t.Errorf("%d identifiers", c.IDs)
	}
	if r := c.Convert(freebsd[1], utmpx.FreeBSD197, utmpx.FreeBSD197); r.ID != string(id[:]) {
		t.Errorf("in its own layout it is %v", r)
	}
}
