// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// newDesk returns a machine with a shell, process 500, on pts/3.
func newDesk(t *testing.T, recs ...utmpx.Record) *lab {
	l := newLab(t)
	l.starts("one", "08:00")
	l.until("09:00")
	l.caller, l.on = 500, map[int32]string{500: "pts/3"}
	l.living = map[int32]bool{1: true, 500: true, 501: true, 900: true}
	l.write("utmp", encode(t, append([]utmpx.Record{system(utmpx.BootTime, "reboot", "08:00")}, recs...)...))
	return l
}

// rows returns what the files hold besides the boot.
func (l *lab) rows(name string) (rows []string) {
	l.t.Helper()
	for e, err := range logs.New(l.path(name), logs.Options{}).Forward(l.t.Context()) {
		l.check(err)
		if e.Type != utmpx.BootTime {
			rows = append(rows, fmt.Sprintf("%s %d [%s] %s", text(e.Record), e.PID, e.ID, e.Host))
		}
	}
	return rows
}

func (l *lab) has(name string, want ...string) {
	l.t.Helper()
	if diff := cmp.Diff(want, l.rows(name)); diff != "" {
		l.t.Errorf("%s (-want +got)\n%s", name, diff)
	}
}

const (
	aliceIn  = "09:00:00 USER alice pts/3 500 [ts/3] "
	aliceOut = "10:00:00 DEAD  pts/3 500 [ts/3] "
)

// TestLoginLogout records a session twice and ends it twice: each is written once.
func TestLoginLogout(t *testing.T) {
	l := newDesk(t)
	l.do("login", "-user", "alice")
	l.has("utmp", aliceIn)
	l.has("wtmp", aliceIn)
	if _, _, errs := l.try("login", "-user", "alice"); !strings.Contains(errs, "pts/3 is recorded already: alice, process 500") {
		t.Errorf("a second login: %s", errs)
	}
	l.has("wtmp", aliceIn)
	l.until("10:00")
	l.do("logout")
	l.has("utmp", aliceOut)
	l.has("wtmp", aliceIn, aliceOut)
	if status, _, errs := l.try("logout"); status != 1 || !strings.Contains(errs, "pts/3: no session is recorded there") {
		t.Errorf("a second logout: status %d, %s", status, errs)
	}
	l.has("wtmp", aliceIn, aliceOut)
}

// TestLoginBeside has other records there: who comes first keeps the line.
func TestLoginBeside(t *testing.T) {
	own := func(line, id string, pid int32) utmpx.Record {
		r := login(line, pid, "08:30")
		r.ID = id
		return r
	}
	waits := utmpx.Record{Type: utmpx.LoginProcess, PID: 333, Line: "pts/3", ID: "g3", User: "LOGIN", Time: utmpx.TimeOf(at("08:30"))}
	other := waits
	other.Line, other.ID, other.PID = "tty3", "ts/3", 501
	tests := []struct {
		name   string
		there  []utmpx.Record
		args   string
		says   string // "" if a record is written
		status int
		id     string
	}{
		{"nobody", nil, "", "", 0, "ts/3"},
		{"its program, under another id", []utmpx.Record{own("pts/3", "/3", 900)}, "", "pts/3 is recorded already", 0, ""},
		{"its program, under another line", []utmpx.Record{own(":3", ":3", 500)}, "", ":3 is recorded already", 0, ""},
		{"a line that is named", []utmpx.Record{own(":3", ":3", 500)}, "-line pts/3", "", 0, "ts/3"},
		{"a dead session", []utmpx.Record{own("pts/3", "/3", 700)}, "", "", 0, "/3"},
		{"a session that ended", []utmpx.Record{{Type: utmpx.DeadProcess, PID: 900, Line: "pts/3", ID: "ts/3", Time: utmpx.TimeOf(at("08:30"))}}, "", "", 0, "ts/3"},
		{"a getty of the line", []utmpx.Record{waits}, "", "", 0, "g3"},
		{"another session has the id", []utmpx.Record{own("tty3", "ts/3", 900)}, "", "ut_id ts/3 is that of tty3; name another one with -id", 1, ""},
		{"another id", []utmpx.Record{own("tty3", "ts/3", 900)}, "-id x3", "", 0, "x3"},
		{"a getty has the id", []utmpx.Record{other}, "", "ut_id ts/3 is that of tty3", 1, ""},
		{"a process that is gone", nil, "-pid 700 -line pts/9", "process 700 does not exist", 1, ""},
		{"no terminal", nil, "-pid 501", "process 501 has no terminal; name a line with -line", 1, ""},
		{"init", nil, "-pid 1 -line pts/9", "process 1 is init", 1, ""},
		{"out of /dev", nil, "-line ../../etc/shadow", "is no name of a line", 1, ""},
		{"a path", nil, "-line pts//3", "is no name of a line", 1, ""},
		{"a long line", nil, "-line " + strings.Repeat("x", 33), "is no name of a line", 1, ""},
		{"a terminal's commands", nil, "-line pts/3\x1b[2J", "is no name of a line", 1, ""},
		{"an id's", nil, "-id \x1b[2J", "is no ut_id", 1, ""},
		{"a long id", nil, "-id abcde", "is no ut_id", 1, ""},
		{"no pid", nil, "-pid 0", `"0" is no process ID`, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newDesk(t, tt.there...)
			before := l.rows("utmp")
			status, _, errs := l.try(append([]string{"login", "-user", "bob"}, strings.Fields(tt.args)...)...)
			if status != tt.status || !strings.Contains(errs, tt.says) {
				t.Errorf("status %d: %s", status, errs)
			}
			if tt.says != "" {
				l.has("utmp", before...)
				l.has("wtmp")
				return
			}
			row := strings.ReplaceAll(strings.ReplaceAll(aliceIn, "alice", "bob"), "[ts/3]", "["+tt.id+"]")
			l.has("wtmp", row)
			n := 0
			for _, r := range l.rows("utmp") {
				if strings.Contains(r, " pts/3 ") {
					n++
				}
				if r == row {
					n += 10
				}
			}
			if n != 11 {
				t.Errorf("the line has not the one record %s:\n%s", row, strings.Join(l.rows("utmp"), "\n"))
			}
		})
	}
}

// TestLogoutOfAnother leaves the session of another process that lives, and ends one whose
// process has ended.
func TestLogoutOfAnother(t *testing.T) {
	l := newDesk(t, login("pts/3", 900, "08:30"))
	l.logs(login("pts/3", 900, "08:30"))
	before := l.rows("utmp")
	if status, _, errs := l.try("logout"); status != 1 || !strings.Contains(errs, "that of alice, process 900; end it with -pid 900") {
		t.Errorf("status %d: %s", status, errs)
	}
	l.has("utmp", before...)
	l.living[900] = false
	l.until("10:00")
	l.do("logout")
	l.has("utmp", "10:00:00 DEAD  pts/3 900 [ts/3] ")
	if rows := l.rows("wtmp"); len(rows) != 2 {
		t.Errorf("wtmp: %q", rows)
	}
}

// TestLoginLed has a session whose process was killed, as sshd's monitor, and whose shell leads
// the line since the login: it is neither recorded again nor ended by others. A shell that
// came later, or somebody else's login, shows nothing of it.
func TestLoginLed(t *testing.T) {
	led := func(started string) *lab {
		l := newDesk(t, login("pts/3", 700, "08:30"))
		l.logs(login("pts/3", 700, "08:30"))
		shell := session.ID{PID: 501, Start: uint64(at(started).Sub(l.booted) / session.Tick)}
		l.scene.lines = map[string]proc.Activity{"pts/3": {Exists: true, Leader: proc.Description{ID: shell, Parent: 1}}}
		return l
	}
	l := led("08:30:01")
	before, logged := l.rows("utmp"), l.rows("wtmp")
	for _, pid := range []string{"500", "501"} {
		if _, _, errs := l.try("login", "-user", "alice", "-line", "pts/3", "-pid", pid); !strings.Contains(errs, "pts/3 is recorded already: alice, process 501") {
			t.Errorf("login of %s: %q", pid, errs)
		}
	}
	if status, _, errs := l.try("logout"); status != 1 || !strings.Contains(errs, "that of alice, process 501; end it with -pid 501") {
		t.Errorf("a logout by another: status %d, %q", status, errs)
	}
	l.has("utmp", before...)
	l.has("wtmp", logged...)
	l.until("10:00")
	l.do("logout", "-line", "pts/3", "-pid", "501")
	l.has("utmp", "10:00:00 DEAD  pts/3 700 [ts/3] ")
	l.has("wtmp", append(logged, "10:00:00 DEAD  pts/3 700 [ts/3] ")...)

	l = led("08:31:01")
	l.do("login", "-user", "alice")
	l.has("utmp", aliceIn)
	l = led("08:31:01")
	l.do("logout")
	l.has("utmp", "09:00:00 DEAD  pts/3 700 [ts/3] ")
	l = led("08:30:01")
	l.do("login", "-user", "bob")
	l.has("utmp", strings.Replace(aliceIn, "alice", "bob", 1))
}

// TestLoginInLog finds the login in the log, where PAM has written it, and the logout.
func TestLoginInLog(t *testing.T) {
	l := newDesk(t)
	first := newSession("pts/3", "alice", "", 500, at("08:59:59"))
	first.ID = "ts/3"
	l.logs(first)
	l.do("login", "-user", "alice")
	l.has("utmp", aliceIn)
	l.has("wtmp", strings.Replace(aliceIn, "09:00:00", "08:59:59", 1))
	l.logs(utmpx.Record{Type: utmpx.DeadProcess, PID: 500, Line: "pts/3", Time: utmpx.TimeOf(at("09:30"))})
	before := l.rows("wtmp")
	l.until("10:00")
	l.do("logout")
	l.has("utmp", aliceOut)
	l.has("wtmp", before...)
}

// TestLoginAtOnce has ten processes record the line: one does.
func TestLoginAtOnce(t *testing.T) {
	l := newDesk(t)
	for pid := int32(600); pid < 610; pid++ {
		l.living[pid] = true
	}
	var all sync.WaitGroup
	for pid := int32(600); pid < 610; pid++ {
		on := l.machine()
		on.parent = func() int32 { return pid }
		on.lineOf = func(int32) string { return "pts/3" }
		all.Go(func() {
			var out strings.Builder
			if status := run(t.Context(), []string{"login", "-user", "alice", "-config", l.path("conf")}, &out, &out, on); status != 0 {
				t.Errorf("status %d: %s", status, out.String())
			}
		})
	}
	all.Wait()
	if file, log := l.rows("utmp"), l.rows("wtmp"); len(file) != 1 || cmp.Diff(file, log) != "" {
		t.Errorf("utmp %q, wtmp %q", file, log)
	}
}

// TestLoginFiles has files that are missing.
func TestLoginFiles(t *testing.T) {
	l := newDesk(t)
	l.check(os.Remove(l.path("wtmp")))
	if out := l.do("login", "-user", "alice", "-host", "2001:db8::1"); !strings.Contains(out, "nothing is recorded in the log") {
		t.Error(out)
	}
	l.has("utmp", aliceIn+"2001:db8::1")
	l.do("logout")
	l.check(os.Remove(l.path("utmp")))
	if status, _, errs := l.try("login", "-user", "alice"); status != 1 || !strings.Contains(errs, "utmpctl boot makes it") {
		t.Errorf("status %d: %s", status, errs)
	}
}

// TestLoginText has names that a script has from elsewhere: they are cut, and written without
// control characters.
func TestLoginText(t *testing.T) {
	l := newDesk(t)
	l.do("login", "-user", "\x1b[2J"+strings.Repeat("x", 40), "-host", "a\nb"+strings.Repeat("y", 300))
	want := strings.Replace(aliceIn, "alice", "?[2J"+strings.Repeat("x", 28), 1) + "a?b" + strings.Repeat("y", 253)
	l.has("utmp", want)
	l.has("wtmp", want)
}

// TestLogoutRecordGone ends a session whose record another program has overwritten.
func TestLogoutRecordGone(t *testing.T) {
	l := newDesk(t)
	l.do("login", "-user", "alice")
	l.write("utmp", encode(t, system(utmpx.BootTime, "reboot", "08:00")))
	l.until("10:00")
	l.do("logout")
	l.has("wtmp", aliceIn, aliceOut)
	if status, _, errs := l.try("logout"); status != 1 || !strings.Contains(errs, "no session is recorded there") {
		t.Errorf("a second logout: status %d, %s", status, errs)
	}
}

// TestLoginOfInit records the shell of a container, which is process 1 and leads the line.
func TestLoginOfInit(t *testing.T) {
	l := newDesk(t)
	l.caller, l.on[1] = 1, "pts/3"
	l.do("login", "-user", "alice")
	l.has("utmp", strings.Replace(aliceIn, " 500 ", " 1 ", 1))
}
