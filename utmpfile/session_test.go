// SPDX-License-Identifier: BSD-2-Clause

package utmpfile_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

var equal = cmp.AllowUnexported(utmpx.Record{})

func TestLoginLogout(t *testing.T) {
	me := int32(os.Getpid())
	tests := []struct {
		name    string
		session utmpfile.Session
		want    utmpx.Record // of the login
	}{
		{"a terminal", utmpfile.Session{Line: "pts/3", User: "alice", Time: at(1)},
			utmpx.Record{PID: me, Line: "pts/3", ID: "ts/3", User: "alice"}},
		{"with /dev/", utmpfile.Session{Line: "/dev/pts/3", User: "alice", Time: at(1)},
			utmpx.Record{PID: me, Line: "pts/3", ID: "ts/3", User: "alice"}},
		{"a console", utmpfile.Session{Line: "/dev/tty12", User: "alice", Time: at(1)},
			utmpx.Record{PID: me, Line: "tty12", ID: "12", User: "alice"}},
		{"all fields", utmpfile.Session{Line: "pts/3", ID: "x", User: "alice", Host: "desk", PID: 7, Time: at(1), Addr: netip.MustParseAddr("::ffff:10.0.0.7")},
			utmpx.Record{PID: 7, Line: "pts/3", ID: "x", User: "alice", Host: "desk", Addr: [16]byte{10, 0, 0, 7}}},
		{"four digits", utmpfile.Session{Line: "pts/1234", User: "alice", Time: at(1)},
			utmpx.Record{PID: me, Line: "pts/1234", ID: "1234", User: "alice"}},
		{"five digits, whose end is another's", utmpfile.Session{Line: "pts/12345", User: "alice", Time: at(1)},
			utmpx.Record{PID: me, Line: "pts/12345", User: "alice"}},
		{"a server's own name", utmpfile.Session{Line: "ftpd4711", User: "alice", Time: at(1)},
			utmpx.Record{PID: me, Line: "ftpd4711", User: "alice"}},
		{"as long as it can be", utmpfile.Session{Line: strings.Repeat("l", 32), ID: "abcd", User: strings.Repeat("u", 32), Host: strings.Repeat("h", 256), Time: at(1)},
			utmpx.Record{PID: me, Line: strings.Repeat("l", 32), ID: "abcd", User: strings.Repeat("u", 32), Host: strings.Repeat("h", 256)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := files(t, utmpx.Glibc400LE)
			if err := r.Login(t.Context(), tt.session); err != nil {
				t.Fatal(err)
			}
			login := tt.want
			login.Type, login.Time = utmpx.UserProcess, utmpx.TimeOf(at(1))
			file, log := contents(t, r)
			if d := cmp.Diff([][]utmpx.Record{{login}, {login}}, [][]utmpx.Record{file, log}, equal); d != "" {
				t.Errorf("login (-want +got):\n%s", d)
			}
			if err := r.Logout(t.Context(), tt.session.Line, at(2)); err != nil {
				t.Fatal(err)
			}
			dead := login
			dead.Type, dead.User, dead.Host, dead.Time = utmpx.DeadProcess, "", "", utmpx.TimeOf(at(2))
			logout := utmpx.Record{Type: utmpx.DeadProcess, PID: login.PID, Line: login.Line, Time: dead.Time}
			file, log = contents(t, r)
			if d := cmp.Diff([][]utmpx.Record{{dead}, {login, logout}}, [][]utmpx.Record{file, log}, equal); d != "" {
				t.Errorf("logout (-want +got):\n%s", d)
			}
		})
	}
}

func TestLoginRefuses(t *testing.T) {
	tests := []struct {
		name    string
		session utmpfile.Session
		want    error
	}{
		{"no line", utmpfile.Session{User: "alice"}, utmpfile.ErrLine},
		{"/dev/ alone", utmpfile.Session{Line: "/dev/", User: "alice"}, utmpfile.ErrLine},
		{"another directory", utmpfile.Session{Line: "/devices/pts/3", User: "alice"}, utmpfile.ErrLine},
		{"/dev/ twice", utmpfile.Session{Line: "/dev//dev/pts/3", User: "alice"}, utmpfile.ErrLine},
		{"a control character", utmpfile.Session{Line: "pts/3\n", User: "alice"}, utmpfile.ErrLine},
		{"no user", utmpfile.Session{Line: "pts/3"}, utmpfile.ErrUser},
		{"a long line", utmpfile.Session{Line: strings.Repeat("l", 33), User: "alice"}, utmpx.ErrRange},
		{"a long user", utmpfile.Session{Line: "pts/3", User: strings.Repeat("u", 33)}, utmpx.ErrRange},
		{"a long id", utmpfile.Session{Line: "pts/3", User: "alice", ID: "abcde"}, utmpx.ErrRange},
		{"a long host", utmpfile.Session{Line: "pts/3", User: "alice", Host: strings.Repeat("h", 257)}, utmpx.ErrRange},
		{"1969", utmpfile.Session{Line: "pts/3", User: "alice", Time: time.Unix(-1, 0)}, utmpx.ErrRange},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := files(t, utmpx.Glibc384LE)
			if err := r.Login(t.Context(), tt.session); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if file, log := contents(t, r); len(file)+len(log) != 0 {
				t.Errorf("written: %v, %v", file, log)
			}
		})
	}
}

func TestLogoutRefuses(t *testing.T) {
	getty := utmpx.Record{Type: utmpx.LoginProcess, PID: 8, Line: "tty1", ID: "tty1", User: "LOGIN", Time: utmpx.Time{Sec: start}}
	gone := session("pts/1", "", 3)
	gone.Type = utmpx.DeadProcess
	was := []utmpx.Record{boot, session("pts/0", "alice", 1), getty, gone}
	tests := []struct {
		name, line string
		want       error
	}{
		{"nobody", "pts/7", utmpfile.ErrNoSession},
		{"gone already", "pts/1", utmpfile.ErrNoSession},
		{"a getty waits", "tty1", utmpfile.ErrNoSession},
		{"no line", "", utmpfile.ErrLine},
		{"the boot's line", "~", utmpfile.ErrNoSession},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := files(t, utmpx.Native())
			write(t, r.File.Name(), utmpx.Native(), was...)
			if err := r.Logout(t.Context(), tt.line, at(9)); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			file, log := contents(t, r)
			if d := cmp.Diff(was, file, equal); d != "" || len(log) > 0 {
				t.Errorf("the log has %v, the file (-want +got):\n%s", log, d)
			}
		})
	}
}

// TestOneFileMissing: the other one is written all the same.
func TestOneFileMissing(t *testing.T) {
	for _, missing := range []string{"file", "log"} {
		t.Run(missing, func(t *testing.T) {
			r := files(t, utmpx.Native())
			name := r.File.Name()
			there := r.Log.Name()
			if missing == "log" {
				name, there = there, name
			}
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
			if err := r.Login(t.Context(), utmpfile.Session{Line: "pts/0", User: "alice"}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), name) {
				t.Errorf("login: %v, want that %s is missing", err, name)
			}
			if err := r.Logout(t.Context(), "pts/0", time.Time{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), name) {
				t.Errorf("logout: %v, want that %s is missing", err, name)
			}
			records, err := utmpfile.NewFile(there, nil).Snapshot()
			if err != nil || len(records) == 0 {
				t.Fatal(records, err)
			}
			if last := records[len(records)-1]; last.Type != utmpx.DeadProcess || last.Line != "pts/0" || time.Since(last.Time.Time()) > time.Minute {
				t.Errorf("the last record is %v", last)
			}
			if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s was created", name)
			}
		})
	}
}

// TestLogoutLeavesTheGetty: logout(3) would mark the getty's record, which comes first,
// and leave the session's.
func TestLogoutLeavesTheGetty(t *testing.T) {
	r := files(t, utmpx.Native())
	getty := utmpx.Record{Type: utmpx.LoginProcess, PID: 8, Line: "tty1", ID: "tty1", User: "LOGIN", Time: utmpx.Time{Sec: start}}
	write(t, r.File.Name(), utmpx.Native(), getty, session("tty1", "alice", 1))
	if err := r.Logout(t.Context(), "tty1", at(9)); err != nil {
		t.Fatal(err)
	}
	if file, _ := contents(t, r); file[0] != getty || file[1].Type != utmpx.DeadProcess {
		t.Errorf("%v", file)
	}
}

// Of two sessions on a line, logout(3) ends the first.
func TestLogoutEndsTheFirst(t *testing.T) {
	r := files(t, utmpx.Native())
	second := session("pts/0", "bob", 5)
	second.ID = "/0"
	write(t, r.File.Name(), utmpx.Native(), session("pts/1", "carol", 1), session("pts/0", "alice", 2), second)
	if err := r.Logout(t.Context(), "pts/0", at(9)); err != nil {
		t.Fatal(err)
	}
	file, log := contents(t, r)
	if file[0].Type != utmpx.UserProcess || file[1].Type != utmpx.DeadProcess || file[2] != second {
		t.Errorf("%v", file)
	}
	if len(log) != 1 || log[0].PID != file[1].PID {
		t.Errorf("%v", log)
	}
}
