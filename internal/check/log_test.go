// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// TestRight: what is ordinary in logs is no finding, not even a note.
func TestRight(t *testing.T) {
	with := func(r utmpx.Record, change func(*utmpx.Record)) utmpx.Record {
		change(&r)
		return r
	}
	tests := []struct {
		name string
		recs []utmpx.Record
	}{
		{"logins and logouts", []utmpx.Record{boot(0), in("pts/0", 10, 5), out("pts/0", 10, 9), in("pts/0", 11, 20), out("pts/0", 11, 30), shutdown(40), boot(50)}},
		{"on until the end", []utmpx.Record{boot(0), in("pts/0", 10, 5)}},
		{"on until a shutdown", []utmpx.Record{boot(0), in("pts/0", 10, 5), shutdown(10), boot(20), in("pts/0", 12, 25), out("pts/0", 12, 26)}},
		{"on until a crash", []utmpx.Record{boot(0), in("pts/0", 10, 5), boot(20), in("pts/0", 12, 25), out("pts/0", 12, 26)}},
		{"a logout after the shutdown's record", []utmpx.Record{boot(0), in("pts/0", 10, 5), shutdown(10), out("pts/0", 10, 11), out("pts/1", 12, 11), boot(30)}},
		{"the login is in the file before", []utmpx.Record{out("pts/0", 10, 9), boot(20)}},
		{"su in such a session", []utmpx.Record{in("pts/0", 11, 1), out("pts/0", 11, 2), out("pts/0", 10, 9000), boot(9999)}},
		{"a getty", []utmpx.Record{boot(0), with(in("tty1", 300, 1), func(r *utmpx.Record) { r.Type, r.User, r.Host = utmpx.InitProcess, "", "" }),
			with(in("tty1", 300, 1), func(r *utmpx.Record) { r.Type, r.User, r.Host = utmpx.LoginProcess, "LOGIN", "" }),
			in("tty1", 300, 100), out("tty1", 300, 200), out("tty1", 300, 200),
			with(in("tty1", 301, 201), func(r *utmpx.Record) { r.Type, r.User, r.Host = utmpx.LoginProcess, "LOGIN", "" }), out("tty1", 301, 900)}},
		{"login, and PAM from its parent", []utmpx.Record{boot(0), in("tty1", 299, 10), in("tty1", 300, 11), out("tty1", 300, 200)}},
		{"two programs log out", []utmpx.Record{boot(0), in("pts/0", 10, 5), out("pts/0", 10, 30), out("pts/0", 9, 31)}},
		{"su within a session", []utmpx.Record{boot(0), in("pts/0", 10, 5), in("pts/0", 20, 50), out("pts/0", 20, 60), out("pts/0", 10, 5000)}},
		{"an FTP server's lines", []utmpx.Record{boot(0), in("ftpd10", 10, 5), in("ftpd11", 11, 5), out("ftpd10", 10, 6), out("ftpd11", 11, 7)}},
		{"a death that utmpd found later", []utmpx.Record{boot(0), in("pts/0", 10, 1000), in("pts/1", 11, 9000),
			with(out("pts/0", 10, 2000), func(r *utmpx.Record) { r.Host = "utmpd-60s" })}},
		{"a logout with the login's time", []utmpx.Record{boot(0), in("pts/0", 10, 1000), in("pts/1", 11, 9000), out("pts/0", 10, 1000)}},
		{"a second back", []utmpx.Record{boot(0), in("pts/0", 10, 1000), in("pts/1", 11, 998), out("pts/1", 11, 1000)}},
		{"sysvinit before the boot's record", []utmpx.Record{boot(5000), shutdown(9000),
			{Type: utmpx.DeadProcess, PID: 70, ID: "si", Time: utmpx.Time{Sec: start + 100}}, boot(9100)}},
		{"the clock was set, and recorded", []utmpx.Record{boot(0), in("pts/0", 10, 9000),
			{Type: utmpx.OldTime, Line: "|", Time: utmpx.Time{Sec: start + 9100}}, {Type: utmpx.NewTime, Line: "{", Time: utmpx.Time{Sec: start + 500}}, out("pts/0", 10, 600)}},
		{"OpenRC's record at the end of the start", []utmpx.Record{boot(0), in("pts/0", 10, 5),
			{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Time: utmpx.Time{Sec: start + 6}}, in("pts/0", 11, 10), out("pts/0", 11, 20)}},
		{"nothing", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := encode(t, layout, tt.recs...)
			if got := checked(t, b, Options{Layout: layout}); len(got) > 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// many returns an ordinary log that goes on around what is wrong.
func many(n int) (recs []utmpx.Record) {
	recs = append(recs, boot(0))
	for i := int64(0); len(recs) < n; i++ {
		pid := int32(1000 + i)
		recs = append(recs, in(fmt.Sprint("pts/", i%5), pid, 1000+100*i), out(fmt.Sprint("pts/", i%5), pid, 1050+100*i))
	}
	return recs
}

func TestFindings(t *testing.T) {
	const size = 384
	recs := many(101)
	raw := encode(t, layout, recs...)
	at := func(i int) int64 { return int64(i) * size }
	replaced := func(i int, r ...utmpx.Record) []byte {
		b := slices.Clone(raw)
		copy(b[at(i):], encode(t, layout, r...))
		return b
	}
	patched := func(i, off int, p []byte) []byte {
		b := slices.Clone(raw)
		copy(b[int(at(i))+off:], p)
		return b
	}
	late := in("pts/9", 77, 0)
	tests := []struct {
		name string
		b    []byte
		o    Options
		want []brief
	}{
		{"zap", patched(40, 0, make([]byte, size)), Options{}, []brief{{Zeroed, Error, at(40), at(41)}}},
		{"zap, login and logout", patched(41, 0, make([]byte, 2*size)), Options{}, []brief{{Zeroed, Error, at(41), at(43)}}},
		{"a login was cut out", append(slices.Clone(raw[:at(61)]), raw[at(62):]...), Options{}, []brief{{NoLogin, Warning, at(61), at(62)}}},
		{"the user was taken away", patched(41, 44, make([]byte, 32)), Options{}, []brief{{Blanked, Warning, at(41), at(42)}}},
		{"only the user's first letter", patched(41, 44, []byte{0}), Options{}, []brief{{Blanked, Error, at(41), at(42)}}},
		{"blanks for the user", patched(41, 44, []byte("     ")), Options{}, []brief{{Blanked, Warning, at(41), at(42)}}},
		{"all text was taken away", patched(41, 8, make([]byte, 332)), Options{}, []brief{{Blanked, Warning, at(41), at(42)}, {NoLogin, Warning, at(42), at(43)}}},
		{"all but the process was taken away", patched(41, 8, make([]byte, 376)), Options{}, []brief{{Blanked, Error, at(41), at(42)}, {NoLogin, Warning, at(42), at(43)}}},
		{"all but the time was taken away", patched(41, 0, make([]byte, 340)), Options{}, []brief{{Blanked, Error, at(41), at(42)}, {NoLogin, Warning, at(42), at(43)}}},
		{"the time was taken away", patched(41, 340, make([]byte, 8)), Options{}, []brief{{Blanked, Error, at(41), at(42)}, {NoLogin, Warning, at(42), at(43)}}},
		{"the type was taken away", patched(41, 0, []byte{0, 0}), Options{}, []brief{{NoType, Warning, at(41), at(42)}}},
		{"the type and the process", patched(41, 0, make([]byte, 8)), Options{}, []brief{{Damage, Error, at(41), at(42)}, {NoLogin, Warning, at(42), at(43)}}},
		{"a block of NULs", func() []byte {
			b := slices.Clone(raw)
			clear(b[4096*3 : 4096*4])
			return b
		}(), Options{}, []brief{{Damage, Error, 12288, 16512}}},
		{"NULs at the end", append(slices.Clone(raw), make([]byte, 4096)...), Options{}, []brief{{Damage, Error, at(101), at(101) + 3840}, {Torn, Error, at(101) + 3840, at(101) + 4096}}},
		{"bytes inserted", slices.Insert(slices.Clone(raw), int(at(41)), []byte("xyz")...), Options{}, []brief{{Damage, Error, at(41), at(41) + 3}}},
		{"torn at the end", append(slices.Clone(raw), raw[:100]...), Options{}, []brief{{Torn, Error, at(101), at(101) + 100}}},
		{"records of an aarch64", slices.Insert(slices.Clone(raw), int(at(41)), encode(t, utmpx.Glibc400LE, in("pts/8", 8, 2960), out("pts/8", 8, 2970))...), Options{},
			[]brief{{OtherLayout, Error, at(41), at(41) + 800}}},
		{"a record put there later", slices.Insert(slices.Clone(raw), int(at(91)), encode(t, layout, late)...), Options{}, []brief{{TimeBack, Warning, at(91), at(92)}}},
		{"a record of the future", replaced(91, in("pts/0", 5, 1e6)), Options{}, []brief{{TimeBack, Warning, at(91), at(92)}}},
		{"two records of the future", replaced(91, in("pts/0", 5, 1e6), in("pts/0", 5, 1e6+5)), Options{}, []brief{{TimeBack, Warning, at(93), at(94)}}},
		{"later than the file", raw, Options{Modified: fixed(100)}, []brief{{Future, Note, 0, 0}}},
		{"a clock set soon after the boot", encode(t, layout, boot(7200), in("pts/0", 5, 60), out("pts/0", 5, 70)), Options{}, []brief{{TimeBack, Note, at(1), at(2)}}},
		{"a login without an end", encode(t, layout, boot(0), in("pts/0", 5, 100), in("pts/0", 6, 900), out("pts/0", 6, 950)), Options{}, nil},
		{"two of them", encode(t, layout, boot(0), in("pts/0", 5, 100), in("pts/0", 6, 900), in("pts/0", 7, 1900), out("pts/0", 7, 1950)), Options{},
			[]brief{{NoLogout, Note, at(1), at(2)}}},
		{"failed logins pair with nothing", encode(t, layout, in("ssh:notty", 5, 100), in("ssh:notty", 6, 900), in("ssh:notty", 7, 1900)), Options{Failed: true}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := briefs(checked(t, tt.b, tt.o))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestLines: memory is bounded, and nothing is said of lines that were forgotten.
func TestLines(t *testing.T) {
	l := NewLog(Options{Layout: layout}, func(f Finding) { t.Errorf("%+v", f) })
	b := encode(t, layout, in("pts/0", 1, 1))
	for i := range int64(3 * mostLines) {
		copy(b[8:], fmt.Sprintf("ftpd%07d", i))
		l.Record(layout, b, i*384)
	}
	if n := len(l.lines.all); n > mostLines {
		t.Errorf("%d lines are kept", n)
	}
}

func TestFew(t *testing.T) {
	var got []Finding
	f := NewFew(false, func(x Finding) { got = append(got, x) })
	for range 25 {
		f.Add(Finding{Kind: Zeroed, Severity: Error})
	}
	f.Add(Finding{Kind: Damage, Severity: Error})
	f.End()
	if len(got) != shown+2 || got[shown+1].Text != "15 more of the kind zeroed" {
		t.Errorf("%d findings: %+v", len(got), got)
	}
}

// FuzzLog: whatever the bytes are, findings are within the file, in bounds, and what a
// terminal would act on is quoted.
func FuzzLog(f *testing.F) {
	raw := encode(f, layout, many(9)...)
	f.Add(raw, uint16(400), []byte{0, 0, 0, 0})
	f.Add(raw, uint16(44), []byte("\x1b[31m"))
	f.Add(raw[:700], uint16(384), make([]byte, 384))
	f.Fuzz(func(t *testing.T, b []byte, off uint16, patch []byte) {
		b = slices.Clone(b)
		if int(off) < len(b) {
			copy(b[off:], patch)
		}
		for _, x := range checked(t, b, Options{Modified: fixed(0)}) {
			if x.From < 0 || x.To > int64(len(b)) || x.From > x.To || x.Text == "" || x.Advice == "" {
				t.Errorf("%+v of %d bytes", x, len(b))
			}
			if bytes.ContainsAny([]byte(x.Text), "\x1b\n\r\x00") {
				t.Errorf("%q", x.Text)
			}
		}
	})
}
