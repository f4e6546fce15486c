// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// write makes a file of records.
func write(t *testing.T, records ...utmpx.Record) string {
	t.Helper()
	var b []byte
	for _, r := range records {
		var err error
		if b, err = utmpx.Native().AppendEncode(b, r); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(t.TempDir(), "wtmp")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// run runs a program as util-linux of a version and returns all that it prints.
func run(t *testing.T, version string, argv ...string) string {
	t.Helper()
	var out bytes.Buffer
	p := Program{
		Argv: argv, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
		Getenv: func(name string) string { return map[string]string{VersionEnv: version, "TZ": "UTC"}[name] },
		Now:    func() time.Time { return time.Unix(1764000000, 250000000) }, Version: "0",
	}
	p.Run()
	return out.String()
}

func at(typ utmpx.Type, line, user, host string, sec int64) utmpx.Record {
	return utmpx.Record{Type: typ, Line: line, User: user, Host: host, PID: 7, Time: utmpx.Time{Sec: sec}}
}

// TestVersions lists the differences of util-linux 2.38 and 2.41. test/dropin has both.
func TestVersions(t *testing.T) {
	login := at(utmpx.UserProcess, "pts/0", "alexandra", "host.of.a.long.name", 1700000000)
	odd, late := login, login
	odd.Time.Usec = 2000000
	late.Time.Sec = 1 << 31
	boots := []utmpx.Record{
		at(utmpx.BootTime, "~", "reboot", "", 1700000000), at(utmpx.BootTime, "~", "reboot", "", 1700000060),
		at(utmpx.RunLevel, "~", "shutdown", "", 1700000120), at(utmpx.BootTime, "~", "reboot", "", 1700000180),
	}
	for _, d := range []struct {
		name     string
		argv     []string
		records  []utmpx.Record
		old, new string // what only this one prints
	}{
		{"a name that is cut", []string{"lastb", "-f"}, []utmpx.Record{login}, "alexandr pts/0        host.of.a.long.n", "alexand* pts/0        host.of.a.long.*"},
		{"a boot that crashed", []string{"last", "-f"}, boots, "22:13 - 22:15  (00:02)", "22:13 - crash  (00:01)"},
		{"-T", []string{"last", "-T", "-f"}, nil, "last: invalid option -- 'T'", "wtmp begins"},
		{"--t", []string{"last", "--t", "iso", "-f"}, nil, "wtmp begins", "option '--t' is ambiguous; possibilities: '--tab-separated' '--time-format'"},
		{"seconds of YYYYMMDDhhmmss", []string{"lastb", "-s", "20231114221330", "-f"}, []utmpx.Record{login}, "alexandr", "\nwtmp begins"},
		{"@", []string{"last", "-s", "@0", "-f"}, nil, `invalid time value "@0"`, "wtmp begins"},
		{"a fraction of a second", []string{"last", "-s", "12:34:56.7", "-f"}, nil, `invalid time value "12:34:56.7"`, "wtmp begins"},
		{"a span that leads before 1970", []string{"last", "-s", "-100years", "-f"}, nil, "wtmp begins", `invalid time value "-100years"`},
		{"now has a fraction", []string{"lastb", "-s", "-100ms", "-f"}, []utmpx.Record{at(utmpx.UserProcess, "pts/0", "bob", "", 1763999999)}, "bob ", "\nwtmp begins"},
		{"times after 2038", []string{"lastb", "-F", "-f"}, []utmpx.Record{late}, " 1901 ", " 2038 "},
		{"microseconds that are none", []string{"utmpdump"}, []utmpx.Record{odd}, "20,2000000+", "20,000000+"},
	} {
		t.Run(d.name, func(t *testing.T) {
			argv := append(d.argv, write(t, d.records...))
			old, latest := run(t, "2.38", argv...), run(t, "", argv...)
			if !strings.Contains(old, d.old) || strings.Contains(latest, d.old) && !strings.HasPrefix(d.new, "\n") || !strings.Contains(latest, d.new) {
				t.Errorf("2.38 prints\n%s\n2.41 prints\n%s", old, latest)
			}
		})
	}
}

// TestTerminal expects no control character of a name on a terminal.
func TestTerminal(t *testing.T) {
	r := at(utmpx.UserProcess, "p\rq", "a\ab\x1b[m", "x\ny\tz", 1700000000)
	for _, argv := range [][]string{{"lastb"}, {"lastb", "-a"}, {"lastb", "-aw"}} {
		for _, terminal := range []bool{false, true} {
			var out bytes.Buffer
			p := &Program{Argv: argv, Stdout: &out, Getenv: os.Getenv}
			l := last{Program: p, bad: true, w: output(&out), terminal: terminal, hostLast: len(argv) > 1, wide: len(argv) > 2}
			l.zone.load(func(string) string { return "UTC" })
			l.list(&r, r.Line, r.Time.Sec, loggedOut)
			l.w.Flush()
			line := strings.TrimSuffix(out.String(), "\n")
			if got := strings.ContainsAny(line, "\a\r\n\t"); got == terminal || strings.Contains(line, "\x1b") {
				t.Errorf("%q, terminal %v: %q", argv, terminal, line)
			}
		}
	}
}

// FuzzParseText parses lines and expects that what it reads is printed as it was read.
func FuzzParseText(f *testing.F) {
	f.Add("[7] [01907] [ts/0] [alice   ] [pts/0       ] [host                ] [2001:db8::17   ] [2026-11-25T08:01:07,481516+00:00]\n")
	f.Add("[7] [17058] [ts/1] [kerolasa] [pts/1       ] [:0.0                ] [0.0.0.0        ] [Wed Jan 16 23:44:09 2013 GMT]")
	f.Add("[-7][-1474836481][22?$] [alice] [pts/0] [host] [0.0.0.0] [1899-12-31T00:00:00,000000+00:00]")
	f.Add("[-7] [99999999999] [] ] [[] [] [] [] [x,-5]")
	f.Fuzz(func(t *testing.T, line string) {
		r, err := ParseText(line)
		if err != nil {
			if !errors.Is(err, ErrNoRecord) && !errors.Is(err, ErrFewFields) {
				t.Error(err)
			}
			return
		}
		text := AppendText(nil, r)
		again, err := ParseText(string(text))
		if len(r.ID) < 4 || r.Time.Usec < 0 || strings.ContainsAny(r.ID, "[]\n") || r.Time.Sec < -60000000000 || r.Time.Sec > 200000000000 {
			return // the text shows them otherwise
		}
		if head := fmt.Sprintf("[%d] [%05d] ", r.Type, r.PID); len(head) >= headWidth {
			return // utmpdump looks for the user behind these columns, and so finds the id
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if diff := cmp.Diff(text, AppendText(nil, again)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestCodec takes the records that the text can hold there and back.
func TestCodec(t *testing.T) {
	for _, line := range []string{
		"[7] [01907] [ts/0] [alice   ] [pts/0       ] [host                ] [2001:db8::17   ] [2026-11-25T08:01:07,481516+00:00]\n",
		"[8] [-0001] [    ] [        ] [            ] [                    ] [0.0.0.0        ] [1969-12-31T23:59:59,000000+00:00]\n",
		"[2] [00000] [~~  ] [reboot  ] [~           ] [6.12.57-amd64       ] [255.255.255.255] [2105-01-01T00:00:00,999999+00:00]\n",
	} {
		r, err := ParseText(line)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(line, string(AppendText(nil, r))); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}
