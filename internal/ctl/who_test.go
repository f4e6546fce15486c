// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/pidfile"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/status"
	judge "utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/utmpx"
)

// scene is what happens on a lab's terminals.
type scene struct {
	lines     map[string]proc.Activity
	processes map[int32]proc.Description
	logins    []proc.Login
	inhabited map[string]bool
	hidden    error
	namesakes map[int32]int32 // processes in containers, by their numbers there
	during    func()          // called while evidence is gathered; nil: nothing
}

func (s scene) look(sights []session.Sight) []session.Sighting {
	seen := make([]session.Sighting, len(sights))
	for i, q := range sights {
		seen[i] = session.Sighting{Key: q.Key, Leader: s.lines[q.Line].Leader.ID}
	}
	return seen
}

func (s scene) gather(qs []session.Question) []session.Evidence {
	if s.during != nil {
		s.during()
	}
	found := make([]session.Evidence, len(qs))
	for i, q := range qs {
		found[i] = session.Evidence{Key: q.Key, Hidden: s.hidden != nil && s.lines[q.Line].Exists}
		if namesake := s.namesakes[q.PID]; q.PID != 0 && namesake != 0 {
			found[i].Namesakes = []session.Candidate{{ID: session.ID{PID: namesake}}}
		}
		if leader := s.lines[q.Line].Leader; leader.ID.PID != 0 {
			found[i].Leaders = []session.Candidate{{ID: leader.ID, Above: []session.ID{{PID: leader.Parent}}}}
		}
	}
	return found
}

func process(pid int32, command string) proc.Description {
	return proc.Description{ID: session.ID{PID: pid}, Name: strings.Fields(command)[0], Command: command}
}

// crowd is a lab with a session of each kind: living, with a dead process and a living
// shell, ghost, without a process, and on a display.
func crowd(t *testing.T) *lab {
	l := newLab(t, "RUN_DIR=/nowhere")
	l.starts("a", "08:00")
	l.until("12:00")
	l.living = map[int32]bool{100: true, 102: true, 202: true, 300: true}
	l.scene.processes = map[int32]proc.Description{100: process(100, "sshd: alice [priv]"), 300: process(300, "xinit")}
	l.scene.lines = map[string]proc.Activity{
		"pts/2":  {Exists: true, Used: at("11:59"), Leader: process(102, "-bash"), Running: process(103, "vim /etc/motd\x1b[2J")},
		"pts/10": {Exists: true, Used: at("09:00"), Leader: process(202, "-zsh"), Running: process(202, "-zsh")},
	}
	shell := l.scene.lines["pts/2"]
	shell.Leader.Parent = 100
	l.scene.lines["pts/2"] = shell
	bob := login("pts/10", 200, "08:30")
	bob.User = "bob"
	ghost := login("pts/3", 999, "09:30")
	ghost.User, ghost.Host = "carol", "host\x1b[2J\xff"
	nameless := utmpx.Record{Type: utmpx.UserProcess, User: "dave", Time: utmpx.TimeOf(at("11:30"))}
	x := login(":0", 300, "10:00")
	l.write("utmp", encode(t, system(utmpx.BootTime, "reboot", "08:00"), ghost, login("pts/2", 100, "11:00"), login("pts/2", 998, "10:30"), bob, nameless, x))
	return l
}

func TestWho(t *testing.T) {
	t.Setenv("TZ", "UTC")
	for _, tt := range []struct{ name, columns, lang, want string }{
		{"without a terminal", "", "C.UTF-8", `USER   LINE    FROM           SINCE (UTC)          IDLE   WHAT                   NOTE
alice  :0      desk           2026-07-01 10:00:00         xinit
alice  pts/2   desk           2026-07-01 10:30:00                                ghost
alice  pts/2   desk           2026-07-01 11:00:00  1m00s  vim /etc/motd\x1b[2J
bob    pts/10  desk           2026-07-01 08:30:00  3h00m  -zsh                   lives by 202
carol  pts/3   host\x1b[2J\xff  2026-07-01 09:30:00                                ghost
dave                          2026-07-01 11:30:00                                in doubt
`},
		{"80 columns, C", "80", "C", `USER   LINE    FROM      SINCE (UTC)           IDLE  WHAT          NOTE
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("COLUMNS", tt.columns)
			t.Setenv("LC_ALL", tt.lang)
			out := crowd(t).do("who")
			if tt.columns != "" {
				for line := range strings.Lines(out) {
					if len(line) > 81 {
						t.Errorf("%d columns: %q", len(line)-1, line)
					}
				}
				return
			}
			if strings.Contains(out, "\x1b") || !utf8.ValidString(out) {
				t.Errorf("control characters: %q", out)
			}
			if d := cmp.Diff(squeeze(tt.want), squeeze(out)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// squeeze leaves one blank between two columns.
func squeeze(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return b.String()
}

// TestWhoCounts: ghosts do not count, what may be a session does.
func TestWhoCounts(t *testing.T) {
	l := crowd(t)
	for _, tt := range []struct{ args, want string }{
		{"who -count", "4"},
		{"who -count alice", "2"},
		{"who -count pts/3", "0"},
		{"who -count /dev/pts/10", "1"},
	} {
		if got := strings.TrimSpace(l.do(strings.Fields(tt.args)...)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.args, got, tt.want)
		}
	}
	if out := l.do("who", "-f", l.path("utmp"), "-count"); out != "6\n" {
		t.Errorf("records of a file: %s", out)
	}
}

// TestWhoContainer: a session in a container lives by a process that has another number
// here, and whoever has its number here is not the session's.
func TestWhoContainer(t *testing.T) {
	l := crowd(t)
	l.living[4400] = true
	l.scene.processes[4400] = process(4400, "vsftpd: erin")
	l.scene.namesakes = map[int32]int32{400: 4400}
	erin := login("ftp", 400, "11:00")
	erin.User = "erin"
	l.write("utmp", append(l.read("utmp"), encode(t, erin)...))
	if out := squeeze(l.do("who", "erin")); !strings.HasSuffix(out, "erin ftp desk 2026-07-01 11:00:00 vsftpd: erin lives by 4400\n") {
		t.Error(out)
	}
	out := l.do("who", "-v", "erin")
	if !strings.Contains(out, "why      a process of another pid namespace has its number, pid 4400\n") || !strings.Contains(out, "process  400 is gone") {
		t.Error(out)
	}
	l.living[400] = true
	l.scene.processes[400] = process(400, "cron")
	l.runs(status.Status{Sessions: 1}, nil)
	of := session.Entry{Slot: 7, Sum: judge.Sum(string(encode(t, erin))), ID: session.ID{PID: 4400}, Led: true, Since: at("11:00")}
	save := func() {
		st := state.State{BootID: l.boot, Checkpoint: session.Checkpoint{Alive: l.clock, Sessions: []session.Entry{of}}}
		l.check(st.Save(l.path("run/table")))
	}
	save()
	if out := l.do("who", "-v", "erin"); !strings.Contains(out, "process  400 is another process here: cron\n") || !strings.Contains(out, "watches process 4400") {
		t.Error(out)
	}
	of.Held, of.End = true, at("11:30")
	save()
	if out := l.do("who", "-v", "erin"); !strings.Contains(out, "keeps it while process 4400 lives") || !strings.Contains(out, "nothing, until process 4400 has ended\n") {
		t.Error(out)
	}
}

// TestWhoLogout: a session that ends while who looks is no ghost.
func TestWhoLogout(t *testing.T) {
	l := crowd(t)
	l.scene.during = func() {
		ended := login("pts/3", 999, "09:30")
		ended.Type, ended.User, ended.Host = utmpx.DeadProcess, "", ""
		all := l.read("utmp")
		copy(all[utmpx.Native().Size():], encode(t, ended))
		l.write("utmp", all)
	}
	out := l.do("who")
	if strings.Contains(out, "carol") || !strings.Contains(out, "ghost") {
		t.Errorf("carol's owner has cleaned her record meanwhile; alice's is still there:\n%s", out)
	}
}

// TestWhoGhostsOfLogind: a session is one if it is closing, its leader is dead, and no process
// of it is left, as far as processes can be seen.
func TestWhoGhostsOfLogind(t *testing.T) {
	l := crowd(t)
	l.scene.logins = []proc.Login{
		{ID: "6", User: "frank", Leader: 2004, State: "closing"},
		{ID: "7", User: "grace", Leader: 2005, State: "closing"},
		{ID: "8", User: "heidi", Leader: 2006, State: "active"},
		{ID: "9", User: "ivan", Leader: 2007, State: "closing", Lives: true},
	}
	l.scene.inhabited = map[string]bool{"7": true}
	const want = "logind shows 1 session that is over, with no process left: 6 of frank\n"
	if out := l.do("who", "-v"); !strings.Contains(out, want) {
		t.Errorf("no %q in\n%s", want, out)
	}
	if out := l.do("who"); strings.Contains(out, "no process left") {
		t.Errorf("without -v:\n%s", out)
	}
	l.scene.hidden = errors.New("hidden")
	if _, out, _ := l.try("who", "-v"); strings.Contains(out, "no process left") {
		t.Errorf("processes are hidden:\n%s", out)
	}
}

// TestWhoLogind: a session that has no record is shown, once for each terminal; one that
// has is not, however the two name it.
func TestWhoLogind(t *testing.T) {
	t.Setenv("TZ", "UTC")
	l := crowd(t)
	l.scene.processes[301] = proc.Description{ID: session.ID{PID: 301}, Parent: 3000}
	l.scene.logins = []proc.Login{
		{ID: "1", User: "alice", Leader: 100, Lives: true, State: "active"},
		{ID: "2", User: "alice", Leader: 2000, Lives: true, Display: ":0.0"},
		{ID: "3", User: "bob", Leader: 2001, Lives: true, Lines: []string{"pts/10"}},
		{ID: "4", User: "erin", Leader: 2002, Lives: true, Lines: []string{"pts/7"}, Host: "home", Began: at("11:45")},
		{ID: "5", User: "erin", Leader: 2003, Lives: true, TTY: "tty2", Began: at("11:50")},
		{ID: "6", User: "frank", Leader: 2004, State: "closing", Began: at("08:50")},
		{ID: "7", User: "carol", Leader: 2005, Lives: true, Lines: []string{"pts/3"}, Began: at("09:31")},
		{ID: "8", User: "alice", Leader: 100, Lives: true, TTY: "tty7"}, // its record has another line
	}
	want := `carol pts/3 2026-07-01 09:31:00 logind only
erin pts/7 home 2026-07-01 11:45:00 logind only
erin tty2 2026-07-01 11:50:00 logind only
`
	var got strings.Builder
	for line := range strings.Lines(squeeze(l.do("who"))) {
		if strings.Contains(line, "logind only") {
			got.WriteString(line)
		}
	}
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if out := l.do("who", "-count"); out != "7\n" {
		t.Errorf("count %s", out)
	}
	if out := l.do("who", "-v", "frank"); !strings.Contains(out, "frank: logind only, ended\n") || !strings.Contains(out, "session 6, leader 2004, closing") {
		t.Errorf("of one that is closing:\n%s", out)
	}
	// Without a utmpx file these alone are there.
	l.check(os.Remove(l.path("utmp")))
	if out := l.do("who", "-count"); out != "6\n" {
		t.Errorf("without a file: count %s", out)
	}
	// One without a terminal, as of a command by ssh, is no login.
	if out := l.do("who", "alice"); strings.Contains(squeeze(out), "alice 1970") || !strings.Contains(out, ":0.0") {
		t.Errorf("a session without a terminal: %s", out)
	}
	if out := l.do("who", "-v", "alice"); !strings.Contains(out, "session 1, leader 100") {
		t.Errorf("who -v, of a session without a terminal: %s", out)
	}
	l.scene.logins = nil
	if status, out, errs := l.try("who"); status != exitError || out != "" || !strings.Contains(errs, "no such file") {
		t.Errorf("without anything: %d, %q, %q", status, out, errs)
	}
}

// TestWhoLogindTerminals: each terminal of a session is shown once, by its record if it has
// one, and those of a session whose leader alone has ended, too.
func TestWhoLogindTerminals(t *testing.T) {
	t.Setenv("TZ", "UTC")
	l := crowd(t)
	l.scene.logins = []proc.Login{
		{ID: "1", User: "alice", Leader: 100, Lives: true, Service: "sshd", Lines: []string{"pts/2", "pts/5"}, Began: at("11:00")},
		{ID: "2", User: "erin", Leader: 2002, LivesBy: 2003, State: "closing", Service: "sshd", Lines: []string{"pts/7"}, Began: at("11:45")},
		{ID: "3", User: "erin", Leader: 2004, State: "closing", Service: "sshd", Began: at("11:46")},
	}
	out := squeeze(l.do("who", "erin")) + squeeze(l.do("who", "alice"))
	for _, line := range []string{"erin pts/7 2026-07-01 11:45:00 logind only, lives by 2003", "alice pts/5 2026-07-01 11:00:00 sshd: alice [priv] logind only"} {
		if !strings.Contains(out, line+"\n") {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
	if strings.Contains(out, "11:46") || strings.Count(out, "pts/2 desk 2026-07-01 11:00:00") != 1 {
		t.Error(out)
	}
	if out := l.do("who", "-count", "erin"); out != "1\n" {
		t.Errorf("count %s", out)
	}
}

// TestWhoHidden: where /proc hides processes nobody is a ghost whose terminal exists, and
// it is said.
func TestWhoHidden(t *testing.T) {
	l := crowd(t)
	l.scene.hidden = errors.New("hidepid")
	l.scene.processes = nil
	l.scene.lines = map[string]proc.Activity{"pts/3": {Exists: true}}
	_, out, errs := l.try("who")
	if !strings.Contains(errs, "some processes cannot be seen") {
		t.Errorf("not said: %q", errs)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "carol") && !strings.HasSuffix(line, "in doubt\n") {
			t.Error(line)
		}
	}
}

// TestWhoExplains: why a record is there, and what utmpd does about it, by what it has
// saved and by its status.
func TestWhoExplains(t *testing.T) {
	t.Setenv("TZ", "UTC")
	ghost := `carol on pts/3 from host\x1b[2J\xff: ghost
  login    2026-07-01 09:30:00, 2h30m ago, in slot 1
  process  999 is gone: no living process has that number
  why      nothing speaks for the session: no leader of its line, no display, no process in a container
  line     there is no terminal of that name
`
	alice := `alice on pts/2 from desk: lives
  login    2026-07-01 11:00:00, 1h00m ago, in slot 2
  process  100 lives, by pidfd: sshd: alice [priv]
  line     led by process 102, -bash: below the record's process; process 998 of alice has the line, too
  doing    vim /etc/motd\x1b[2J
  idle     1m00s
`
	bob := `bob on pts/10 from desk: lives
  login    2026-07-01 08:30:00, 3h30m ago, in slot 4
  process  200 is gone: no living process has that number
  why      its line still has a session leader, pid 202
  line     led by process 202, -zsh: below the record's process
  doing    -zsh
  idle     3h00m
`
	for _, tt := range []struct {
		name, of, want string
		with           func(*lab)
	}{
		{"a ghost, utmpd does not run", "carol", ghost + "  utmpd    does not run\n  next     the record stays until utmpd is started; then it is cleaned after 1s\n", nil},
		{"living, utmpd does not run", "alice", alice + "  utmpd    does not run\n  next     nothing: the record stays, also when the session ends, until utmpd is started\n", nil},
		{"a shell that lives on", "bob", bob + "  utmpd    does not run\n  next     nothing: the record stays, also when the session ends, until utmpd is started\n", nil},
		{"a ghost, not seen yet", "carol", ghost + "  utmpd    unknown: its table cannot be read; it watches 5 of 6 sessions (by its status)\n  next     cleans the record 1s after it sees the end: with the next scan, by 2026-07-01 12:04:00, at the latest\n", func(l *lab) {
			l.runs(status.Status{Sessions: 6, Watched: 5, LastScan: at("11:59"), Within: 5 * time.Minute}, nil)
		}},
		{"a ghost, -n", "carol", ghost + "  utmpd    unknown: its table cannot be read; it watches 0 of 6 sessions (by its status)\n  next     with -n it only logs that it would clean the record\n", func(l *lab) { l.runs(status.Status{Sessions: 6, DryRun: true}, nil) }},
		{"living, by the status", "alice", alice + "  utmpd    watches it, as all sessions (by its status)\n  next     nothing, until process 100 has ended\n", func(l *lab) { l.runs(status.Status{Sessions: 2, Watched: 2, LastScan: at("11:59")}, nil) }},
		{"living, by the table", "alice", alice + "  utmpd    watches process 100, known since 2026-07-01 11:00:01\n  next     nothing, until process 100 has ended\n", func(l *lab) {
			l.runs(status.Status{Sessions: 2}, &session.Entry{Slot: 2, ID: session.ID{PID: 100}, Since: at("11:00:01")})
		}},
		{"a ghost whose end was seen", "carol", ghost + "  utmpd    saw the end of process 999 at 2026-07-01 11:59:59 (signal KILL)\n  next     cleans the record at 2026-07-01 12:00:00\n", func(l *lab) {
			l.runs(status.Status{Sessions: 2}, &session.Entry{Slot: 1, ID: session.ID{PID: 999}, Since: at("11:00:01"), End: at("11:59:59"), Exact: true, Status: session.Status{Known: true, Wait: 9}})
		}},
		{"a ghost whose end came after the table", "carol", ghost + "  utmpd    knew process 999 when its table was saved, at 2026-07-01 12:00:00\n  next     cleans the record 1s after it sees the end: with the next scan, by 2026-07-01 12:04:00, at the latest\n", func(l *lab) {
			l.runs(status.Status{Sessions: 2, LastScan: at("11:59"), Within: 5 * time.Minute}, &session.Entry{Slot: 1, ID: session.ID{PID: 999}, Since: at("11:00:01")})
		}},
		{"living, logged in after the table", "alice", alice + "  utmpd    unknown: its table was saved at 2026-07-01 10:59:00, before this login; it watches 1 of 2 sessions (by its status)\n  next     nothing, until process 100 has ended\n", func(l *lab) {
			l.until("10:59")
			l.runs(status.Status{Sessions: 2, Watched: 1, Within: 5 * time.Hour}, &session.Entry{Slot: 1, ID: session.ID{PID: 999}, Since: at("10:00:01")})
			l.until("12:00")
		}},
		{"living, and the table has nothing of it", "alice", alice + "  utmpd    follows no process for this record, as its table says, saved at 2026-07-01 12:00:00\n  next     nothing, until process 100 has ended\n", func(l *lab) {
			l.runs(status.Status{Sessions: 2, Watched: 1}, &session.Entry{Slot: 1, ID: session.ID{PID: 999}, Since: at("10:00:01")})
		}},
		{"a ghost that is late", "carol", ghost + "  utmpd    found process 999 dead at 2026-07-01 11:50:00\n  next     was to clean the record at 2026-07-01 11:50:01, and is late: see utmpctl status and its log\n", func(l *lab) {
			l.runs(status.Status{Sessions: 2}, &session.Entry{Slot: 1, ID: session.ID{PID: 999}, Since: at("11:00:01"), End: at("11:50")})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := crowd(t)
			if tt.with != nil {
				tt.with(l)
			}
			_, out, _ := l.try("who", "-v", tt.of)
			for part := range strings.SplitSeq(out, "\n\n") {
				if strings.HasPrefix(part, strings.SplitN(tt.want, "\n", 2)[0]) {
					out = strings.TrimSuffix(part, "\n") + "\n"
					break
				}
			}
			if d := cmp.Diff(tt.want, out); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// runs leaves what a utmpd that runs has written: this process has the lock.
func (l *lab) runs(s status.Status, of *session.Entry) {
	l.t.Helper()
	l.check(os.Mkdir(l.path("run"), 0o755))
	l.write("conf", append(l.read("conf"), fmt.Sprintf("RUN_DIR=%s\n", l.path("run"))...))
	lock, err := pidfile.Acquire(l.path("run/utmpd.pid"))
	l.check(err)
	l.t.Cleanup(func() { lock.Release() })
	s.State, s.PID, s.Backend = status.Running, os.Getpid(), "pidfd"
	l.living[int32(s.PID)] = true
	s.Within = max(s.Within, time.Minute)
	l.check(status.Write(status.File(filepath.Join(l.path("run"), "status")), s, l.clock))
	if of == nil {
		return
	}
	raw := string(l.read("utmp"))
	size := utmpx.Native().Size()
	of.Sum = judge.Sum(raw[of.Slot*size : (of.Slot+1)*size])
	l.check(state.State{BootID: l.boot, Checkpoint: session.Checkpoint{Alive: l.clock, Sessions: []session.Entry{*of}}}.Save(l.path("run/table")))
}

// TestWhoJSON: bytes that are no text are kept, and what is not known is null.
func TestWhoJSON(t *testing.T) {
	l := crowd(t)
	d := json.NewDecoder(strings.NewReader(l.do("who", "-json")))
	n := 0
	for ; d.More(); n++ {
		var j whoJSON
		l.check(d.Decode(&j))
		if j.User == "carol" && (string(j.HostRaw) != "host\x1b[2J\xff" || *j.State != "ghost" || j.Idle != nil || j.Since == nil) {
			t.Errorf("%+v", j)
		}
		if j.User == "bob" && (*j.LivesBy != 202 || *j.Idle != 10800 || *j.Command != "-zsh") {
			t.Errorf("%+v", j)
		}
	}
	if n != 6 {
		t.Errorf("%d sessions", n)
	}
}

func TestByNumbers(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"pts/2", "pts/10", -1}, {"pts/10", "pts/2", 1}, {"pts/2", "pts/2", 0}, {"pts/2", "tty1", -1},
		{":0", "pts/0", -1}, {":1", ":0.0", 1}, {"", "pts/1", -1}, {"tty1", "ttyS0", -1},
		{"pts/99999999999999999999", "pts/2", 1},
	} {
		if got := byNumbers(tt.a, tt.b); got != tt.want {
			t.Errorf("%q, %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// full is a disk that is full.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestWhoUnwritten has an output that cannot be written.
func TestWhoUnwritten(t *testing.T) {
	l := newDesk(t)
	for _, recs := range [][]utmpx.Record{nil, {login("pts/3", 500, "08:30")}} {
		l.write("utmp", encode(t, recs...))
		for _, option := range []string{"-json", "-count", "-v", ""} {
			args := []string{"who", "-config", l.path("conf")}
			switch {
			case option == "-json" && recs == nil:
				continue // nothing is to be written
			case option != "":
				args = append(args, option)
			}
			var errs strings.Builder
			if status := run(t.Context(), args, full{}, &errs, l.machine()); status != 1 || !strings.Contains(errs.String(), "no space left") {
				t.Errorf("%d records, %v: status %d, %s", len(recs), args, status, errs.String())
			}
		}
	}
}

// TestWhoAtNothing has a moment that is empty, as a script's variable without a value.
func TestWhoAtNothing(t *testing.T) {
	l := newDesk(t)
	for at, says := range map[string]string{"": "who: -at: the value is empty", " ": "who: -at: it has no time"} {
		if status, out, errs := l.try("who", "-at", at); status != 2 || out != "" || !strings.Contains(errs, says) {
			t.Errorf("%q: status %d, %s%s", at, status, out, errs)
		}
	}
}
