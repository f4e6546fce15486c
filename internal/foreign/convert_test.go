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

// TestConvertIsKnown: what one system's records become in another's layout is read again there,
// all of it.
func TestConvertIsKnown(t *testing.T) {
	at := utmpx.Time{Sec: 1_700_000_000}
	illumos := []utmpx.Record{
		{Type: utmpx.BootTime, Line: "system boot", Time: at},
		{Type: utmpx.UserProcess, PID: 100, Line: "pts/0", ID: "ts/0", User: "alice", Host: "ws7", Time: at},
		{Type: utmpx.OldTime, Line: "old time", Time: at},
		{Type: utmpx.NewTime, Line: "new time", Time: at},
		{Type: utmpx.DownTime, Line: "system down", Time: at},
	}
	openbsd := []utmpx.Record{
		{Type: utmpx.BootTime, Line: "~", User: "reboot", Time: at},
		{Type: utmpx.UserProcess, Line: "ttyp0", User: "alice", Host: "ws7", Time: at},
		{Type: utmpx.DeadProcess, Line: "ttyp0", Time: at},
		{Type: utmpx.DownTime, Line: "~", User: "shutdown", Time: at},
	}
	for _, f := range forms {
		for from, records := range map[*utmpx.Layout][]utmpx.Record{utmpx.Illumos372BE: illumos, utmpx.OpenBSD304LE: openbsd} {
			var c Converter
			b := f.Header()
			for i, r := range records {
				r.Time.Sec += int64(100 * i)
				var err error
				if b, err = f.Append(b, c.Convert(r, from, f.layout)); err != nil {
					t.Fatal(err)
				}
			}
			got := Detect(b)
			if got != f {
				t.Errorf("a file of %s, as %s, trimmed %v: detected as %+v", from, f.layout, f.trimmed, got)
				continue
			}
			n := 0
			for p := range got.Forward(content(b), 0) {
				n += len(p.Records) / f.layout.Size()
			}
			if n != len(records) {
				t.Errorf("a file of %s, as %s, trimmed %v: %d of %d records", from, f.layout, f.trimmed, n, len(records))
			}
		}
	}
}

// TestConvertPairs: on FreeBSD a logout is its login's by the identifier alone.
func TestConvertPairs(t *testing.T) {
	var c Converter
	for _, records := range [][2]utmpx.Record{
		{{Type: utmpx.UserProcess, Line: "ttyp0", User: "alice"}, {Type: utmpx.DeadProcess, Line: "ttyp0"}},
		{{Type: utmpx.UserProcess, PID: 7, Line: "ttyE0", ID: "E0", User: "alice"}, {Type: utmpx.DeadProcess, Line: "ttyE0"}},
		{{Type: utmpx.UserProcess, Line: "ftpd12345", User: "bob"}, {Type: utmpx.DeadProcess, Line: "ftpd12345"}},
	} {
		in := c.Convert(records[0], utmpx.NetBSD520LE, utmpx.FreeBSD197)
		out := c.Convert(records[1], utmpx.NetBSD520LE, utmpx.FreeBSD197)
		if in.ID == "" || in.ID != out.ID || records[0].ID != "" && in.ID != records[0].ID {
			t.Errorf("%v: %q and %q", records[0], in.ID, out.ID)
		}
		if _, err := utmpx.FreeBSD197.Encode(in); err != nil {
			t.Error(err)
		}
	}
}

// TestConvertToLinux: its programs know boots, shutdowns and clock changes by their names.
func TestConvertToLinux(t *testing.T) {
	for _, from := range []*utmpx.Layout{utmpx.NetBSD520LE, utmpx.MacOS628LE, utmpx.Illumos372LE, utmpx.FreeBSD197, utmpx.OpenBSD304LE} {
		for _, test := range [][2]utmpx.Record{
			{{Type: utmpx.BootTime, Line: "system boot"}, {Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot"}},
			{{Type: utmpx.DownTime, Line: "system down"}, {Type: utmpx.RunLevel, Line: "~", ID: "~~", User: "shutdown"}},
			{{Type: utmpx.OldTime, Line: "old time"}, {Type: utmpx.OldTime, Line: "|", User: "date"}},
			{{Type: utmpx.NewTime}, {Type: utmpx.NewTime, Line: "{", User: "date"}},
			{{Type: utmpx.RunLevel, Line: "run-level 3"}, {Type: utmpx.RunLevel, PID: '3', Line: "~", ID: "~~", User: "runlevel"}},
		} {
			var c Converter
			if got := c.Convert(test[0], from, utmpx.Glibc384LE); got != test[1] {
				t.Errorf("of %s: %v is %v", from, test[0], got)
			}
		}
	}
	var c Converter
	own := utmpx.Record{Type: utmpx.BootTime, Line: "system boot"}
	if got := c.Convert(own, utmpx.Glibc400BE, utmpx.Glibc384LE); got != own {
		t.Errorf("a record of Linux is %v", got)
	}
	if got := c.Convert(own, utmpx.NetBSD520LE, utmpx.Illumos372BE); got != own {
		t.Errorf("for illumos it is %v", got)
	}
}
