// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package libc

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

// filesOf creates the utmpx file and the log of a root, each with those records.
func filesOf(t *testing.T, m machine, dir string, records ...utmpx.Record) utmpfile.Recorder {
	t.Helper()
	names := []string{filepath.Join(dir, "var/run/utmp"), filepath.Join(dir, "var/log/wtmp")}
	for _, name := range names {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		rewrite(t, name, encode(t, m.layout, records...))
	}
	opts := &utmpfile.Options{Layout: m.layout}
	return utmpfile.Recorder{File: utmpfile.NewFile(names[0], opts), Log: utmpfile.NewLog(names[1], opts)}
}

// TestLoginIsLibcs: what Login and Logout write is byte for byte what login, logout and
// logwtmp write.
func TestLoginIsLibcs(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		other := utmpx.Record{Type: utmpx.UserProcess, PID: 8, Line: "tty9", ID: "oth", User: "bob", Time: utmpx.Time{Sec: start}}
		on := func(typ utmpx.Type, line, id string) utmpx.Record {
			return utmpx.Record{Type: typ, PID: 7, Line: line, ID: id, User: "bob", Host: "old.example", Time: utmpx.Time{Sec: start, Usec: 7}}
		}
		begin := map[string]func(line, id string) []utmpx.Record{
			"empty files": func(_, _ string) []utmpx.Record { return nil },
			"boot":        func(_, _ string) []utmpx.Record { return []utmpx.Record{boot} },
			"a getty": func(line, id string) []utmpx.Record {
				return []utmpx.Record{boot, other, on(utmpx.LoginProcess, line, id), other}
			},
			"a session that ended": func(line, id string) []utmpx.Record { return []utmpx.Record{boot, on(utmpx.DeadProcess, line, "t")} },
			"its id elsewhere": func(_, id string) []utmpx.Record {
				return []utmpx.Record{boot, on(utmpx.DeadProcess, "pts/4711", id), other}
			},
		}
		sessions := map[string]utmpfile.Session{
			"plain":       {ID: "t", User: "alice", Host: "host.example"},
			"no host":     {ID: "t", User: "alice"},
			"addresses":   {ID: "t", User: "alice", Host: "h", Addr: netip.MustParseAddr("2001:db8::7")},
			"IPv4":        {ID: "t", User: "alice", Host: "h", Addr: netip.MustParseAddr("10.0.0.7")},
			"full fields": {ID: "abcd", User: strings.Repeat("u", 32), Host: strings.Repeat("h", 256)},
			"Login's id":  {User: "alice", Host: "host.example"},
		}
		for was, records := range begin {
			for name, s := range sessions {
				t.Run(was+", "+name, func(t *testing.T) {
					var terminal *os.File
					terminal, s.Line = openTerminal(t)
					m.sameSession(t, records, s, terminal)
				})
			}
		}
	})
}

// sameSession lets libc and this code record one session each, in files that begin alike.
func (m machine) sameSession(t *testing.T, begin func(line, id string) []utmpx.Record, s utmpfile.Session, terminal *os.File) {
	id, addr := s.ID, ""
	if id == "" {
		id = s.Line[max(0, len(s.Line)-4):] // what sshd and utempter put there
	}
	if s.Addr.IsValid() {
		addr = s.Addr.String()
	}
	records := begin(s.Line, id)
	theirs, ours := t.TempDir(), filesOf(t, m, t.TempDir(), records...)
	filesOf(t, m, theirs, records...)
	p := m.inOwnRoot(t, theirs, terminal, "session", id, s.User, s.Host, strconv.Itoa(start+5), addr)
	_, err := io.ReadAll(p.out)
	if err := errors.Join(err, p.wait()); err != nil {
		t.Fatal(err)
	}
	in := func(name string) []byte { return content(t, filepath.Join(theirs, "var", name)) }
	their := split(t, m.layout, in("log/wtmp"))
	login, logout := their[len(their)-2], their[len(their)-1]

	s.Line, s.PID, s.Time = "/dev/"+s.Line, int32(p.Process.Pid), login.Time.Time()
	if err := ours.Login(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	sameBytes(t, m.layout, "utmp after login", content(t, ours.File.Name()), in("run/utmp.login"))
	ended := endOf(t, split(t, m.layout, in("run/utmp.logout")), login.Line)
	if err := ours.Logout(t.Context(), s.Line, ended.Time()); err != nil {
		t.Fatal(err)
	}
	sameBytes(t, m.layout, "utmp after logout", content(t, ours.File.Name()), in("run/utmp.logout"))
	logout.Time = ended // libc asks the clock twice
	want := append(in("log/wtmp")[:(len(their)-1)*m.layout.Size()], encoded(t, m.layout, logout)...)
	sameBytes(t, m.layout, "wtmp", content(t, ours.Log.Name()), want)
}

// endOf returns the time of the record of a session on a line that has ended.
func endOf(t *testing.T, records []utmpx.Record, line string) utmpx.Time {
	t.Helper()
	for _, r := range records {
		if r.Type == utmpx.DeadProcess && r.Line == line && r.User == "" {
			return r.Time
		}
	}
	t.Fatalf("no session on %s has ended: %v", line, records)
	return utmpx.Time{}
}

// encoded is encode for a record that was read and then changed.
func encoded(t *testing.T, l *utmpx.Layout, r utmpx.Record) []byte {
	t.Helper()
	b, err := l.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
