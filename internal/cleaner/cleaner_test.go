// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

const (
	utmpName = "/run/utmp"
	wtmpName = "/var/log/wtmp"
)

var layout = utmpx.Glibc384LE

// world is a system in memory with a Cleaner at work in it.
type world struct {
	t   *testing.T
	sys *simfile.System
	c   *Cleaner
	dry bool
	// lives has the pids of living processes.
	lives map[int32]bool
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, sys: simfile.New()}
	w.sys.WriteFile(utmpName, nil)
	w.sys.WriteFile(wtmpName, nil)
	w.restart()
	return w
}

// restart makes a new Cleaner, which knows nothing.
func (w *world) restart() {
	opts := recfile.Options{System: w.sys, Layout: layout}
	w.c = New(Options{File: recfile.NewFile(utmpName, opts), Log: openlogins.New(wtmpName, opts), DryRun: w.dry,
		Gone: func(pid int32) bool { return !w.lives[pid] }, Logger: slog.New(slog.DiscardHandler)})
}

func encode(t *testing.T, r utmpx.Record) []byte {
	t.Helper()
	b, err := layout.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// record appends records to a file.
func (w *world) record(name string, recs ...utmpx.Record) {
	for _, r := range recs {
		w.sys.Change(name, func(data []byte) []byte { return append(data, encode(w.t, r)...) })
	}
}

func (w *world) records(name string) []utmpx.Record {
	var recs []utmpx.Record
	data := string(w.sys.ReadFile(name))
	for ; len(data) >= layout.Size(); data = data[layout.Size():] {
		recs = append(recs, layout.Decode(data[:layout.Size()]))
	}
	return recs
}

// jobs orders the sessions in the utmpx file to be cleaned, ended at end.
func (w *world) jobs() []session.Job {
	f := recfile.NewFile(utmpName, recfile.Options{System: w.sys, Layout: layout})
	snap, err := f.Snapshot(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	var jobs []session.Job
	for slot, r := range snap.All() {
		if r.Type == utmpx.UserProcess {
			jobs = append(jobs, session.Job{Generation: snap.Generation(), Slot: slot, Record: r, End: end, Status: session.Status{Known: true, Wait: 9}})
		}
	}
	return jobs
}

var (
	start = time.Unix(1_700_000_000, 0)
	end   = start.Add(time.Hour)
)

func login(line, user string, pid int32, at time.Time) utmpx.Record {
	return utmpx.Record{Type: utmpx.UserProcess, Line: line, ID: line[max(0, len(line)-4):], User: user, Host: "h", PID: pid, Time: utmpx.TimeOf(at)}
}

func logout(line string, at time.Time) utmpx.Record {
	return utmpx.Record{Type: utmpx.DeadProcess, Line: line, Time: utmpx.TimeOf(at)}
}

func boot(at time.Time) utmpx.Record {
	return utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Time: utmpx.TimeOf(at)}
}

// brief tells a log's records in a line.
func brief(recs []utmpx.Record) string {
	var parts []string
	for _, r := range recs {
		parts = append(parts, fmt.Sprintf("%s:%s", map[utmpx.Type]string{7: "user", 8: "dead", 2: "boot"}[r.Type], r.Line))
	}
	return strings.Join(parts, " ")
}

func TestLogout(t *testing.T) {
	alice := login("pts/0", "alice", 100, start)
	tests := []struct {
		name    string
		wtmp    []utmpx.Record
		session utmpx.Record
		want    session.Logout
	}{
		{"the login is the line's last record", []utmpx.Record{alice, login("pts/1", "bob", 7, start)}, alice, session.Appended},
		{"another pid in wtmp, the same user and time", []utmpx.Record{login("pts/0", "alice", 99, start)}, alice, session.Appended},
		{"a second earlier in wtmp, the same pid", []utmpx.Record{login("pts/0", "alice", 100, start.Add(-time.Second))}, alice, session.Appended},
		{"a minute earlier in wtmp, the same pid", []utmpx.Record{login("pts/0", "alice", 100, start.Add(-time.Minute))}, alice, session.Closed},
		{"a second later in wtmp, the same pid", []utmpx.Record{login("pts/0", "alice", 100, start.Add(time.Second))}, alice, session.Appended},
		{"a new session that got the pid", []utmpx.Record{alice, login("pts/0", "alice", 100, start.Add(time.Minute))}, alice, session.Closed},
		{"closed by its owner", []utmpx.Record{alice, logout("pts/0", end)}, alice, session.Closed},
		{"a new session on the line", []utmpx.Record{alice, login("pts/0", "bob", 200, end)}, alice, session.Closed},
		{"a new session of the same user", []utmpx.Record{alice, login("pts/0", "alice", 200, end)}, alice, session.Closed},
		{"a boot in between", []utmpx.Record{alice, boot(end)}, alice, session.Closed},
		{"no record of the line", []utmpx.Record{boot(start.Add(-time.Hour)), login("pts/1", "bob", 7, start)}, alice, session.Closed},
		{"no record at all", nil, alice, session.NoLogout},
		{"no line", []utmpx.Record{alice}, utmpx.Record{Type: utmpx.UserProcess, User: "alice", PID: 100}, session.NoLogout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.record(utmpName, tt.session)
			w.record(wtmpName, tt.wtmp...)
			got := w.c.clean(t.Context(), w.jobs())
			if got[0].Outcome != session.Done || got[0].Err != nil || got[0].Logout != tt.want {
				t.Errorf("got %+v, want logout %v", got[0], tt.want)
			}
			want := len(tt.wtmp)
			if tt.want == session.Appended {
				want++
			}
			recs := w.records(wtmpName)
			if len(recs) != want {
				t.Errorf("wtmp holds %s, want %d records", brief(recs), want)
			}
			if last := len(recs) - 1; tt.want == session.Appended && recs[last].Host != "utmpd" {
				t.Errorf("the logout has the host %q", recs[last].Host)
			}
			dead := utmpx.Record{
				Type: utmpx.DeadProcess, Line: tt.session.Line, ID: tt.session.ID, PID: tt.session.PID,
				Time: utmpx.TimeOf(end), Exit: utmpx.Exit{Termination: 9},
			}
			if r := w.records(utmpName)[0]; r.String() != dead.String() {
				t.Errorf("utmp holds %v, want %v", r, dead)
			}
		})
	}
}

// A login that another process wrote is the session's once that process does not live,
// and no other record fits it as well.
func TestDoubt(t *testing.T) {
	at := start.Add(10 * time.Millisecond) // login's child writes utmp
	alice := login("tty1", "alice", 100, at)
	alice.Session = 99
	written := login("tty1", "alice", 99, start.Add(-10*time.Millisecond)) // in the second before
	inner := login("tty1", "alice", 101, at.Add(-time.Millisecond))
	tests := []struct {
		name    string
		session utmpx.Record
		wtmp    utmpx.Record
		other   utmpx.Record // in utmp
		end     time.Time
		lives   int32
		want    session.Logout
		unseen  bool // nobody saw its process alive
	}{
		{"its writer is dead", alice, written, utmpx.Record{}, end, 0, session.Appended, false},
		{"its writer lives", alice, written, utmpx.Record{}, end, 99, session.LogoutOwed, false},
		{"it came after the death", alice, login("tty1", "alice", 99, at.Add(time.Second)), utmpx.Record{}, at.Add(500 * time.Millisecond), 0, session.Closed, false},
		{"it is another user's", alice, login("tty1", "bob", 99, at), utmpx.Record{}, end, 0, session.Closed, false},
		{"three seconds before", alice, login("tty1", "alice", 99, at.Add(-3*time.Second)), utmpx.Record{}, end, 0, session.Closed, false},
		{"a display's, of another process", login(":0", "alice", 100, at), login(":0", "alice", 99, start), utmpx.Record{}, end, 0, session.Closed, false},
		{"on another line, of the same process", login("xrdp:11", "alice", 100, at), login(":11", "alice", 100, at), utmpx.Record{}, end, 0, session.Appended, false},
		{"on another line, and the record has none", utmpx.Record{Type: utmpx.UserProcess, User: "alice", PID: 100, Time: utmpx.TimeOf(at)}, login(":11", "alice", 100, at), utmpx.Record{}, end, 0, session.Appended, false},
		{"on another line, a second later", login("xrdp:11", "alice", 100, at), login(":11", "alice", 100, at.Add(time.Second)), utmpx.Record{}, end, 0, session.Appended, false},
		{"on another line, two seconds before", login("xrdp:11", "alice", 100, at), login(":11", "alice", 100, at.Add(-2*time.Second)), utmpx.Record{}, end, 0, session.Appended, false},
		{"on another line, three seconds later", login("xrdp:11", "alice", 100, at), login(":11", "alice", 100, at.Add(3*time.Second)), utmpx.Record{}, end, 0, session.NoLogout, false},
		{"on another line, which a living session's record has", login("xrdp:11", "alice", 100, at), login(":11", "alice", 100, at.Add(-time.Second)), login(":11", "alice", 100, at.Add(-time.Second)), end, 0, session.Closed, false},
		{"on another line, of another user", login("xrdp:11", "alice", 100, at), login(":11", "bob", 100, at), utmpx.Record{}, end, 0, session.NoLogout, false},
		{"on another line, unseen, written as one", login("xrdp:11", "alice", 100, at), login(":11", "alice", 100, at), utmpx.Record{}, end, 0, session.Appended, true},
		{"on another line, unseen, a second before", login("xrdp:11", "alice", 100, at), login(":11", "alice", 100, at.Add(-time.Second)), utmpx.Record{}, end, 0, session.NoLogout, true},
		{"another record is nearer, and this one names the writer", alice, written, inner, end, 0, session.Appended, false},
		{"another record names the writer", inner, written, alice, end, 0, session.Closed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.record(utmpName, tt.session)
			w.record(wtmpName, tt.wtmp)
			jobs := w.jobs()
			if tt.other.Line != "" {
				w.record(utmpName, tt.other)
			}
			jobs[0].End = tt.end
			if tt.unseen { // it may have died at once
				jobs[0].After = tt.session.Time.Time()
			}
			w.lives = map[int32]bool{tt.lives: true}
			got := w.c.clean(t.Context(), jobs)[0]
			if got.Logout != tt.want || (got.Outcome == session.Doubtful) != (tt.want == session.LogoutOwed) {
				t.Errorf("got %+v, want logout %v", got, tt.want)
			}
			marked := w.records(utmpName)[0].Type == utmpx.DeadProcess
			if marked == (tt.want == session.LogoutOwed) || (len(w.records(wtmpName)) == 2) != (tt.want == session.Appended) {
				t.Errorf("marked: %v, wtmp holds %s", marked, brief(w.records(wtmpName)))
			}
			if tt.want == session.LogoutOwed {
				w.owing(jobs[0], got.Login, 2)
			}
		})
	}
}

// TestTwoLogins: a session may have two open logins, both of its process: with pam_lastlog,
// sshd's is on the line "ssh" too.
func TestTwoLogins(t *testing.T) {
	at := start.Add(50 * time.Millisecond)
	alice := login("pts/0", "alice", 100, at)
	pam := login("ssh", "alice", 100, start)
	tests := []struct {
		name   string
		wtmp   []utmpx.Record
		other  utmpx.Record // in utmp
		lives  bool         // the process, or another one with its pid
		closed []string
	}{
		{"with pam_lastlog", []utmpx.Record{pam, alice}, utmpx.Record{}, false, []string{"pts/0", "ssh"}},
		{"PAM came later", []utmpx.Record{alice, pam}, utmpx.Record{}, false, []string{"pts/0", "ssh"}},
		{"its owner has closed one", []utmpx.Record{pam, alice, logout("pts/0", end)}, utmpx.Record{}, false, []string{"ssh"}},
		{"somebody else logged in there since", []utmpx.Record{pam, alice, login("ssh", "bob", 200, at.Add(time.Second))}, utmpx.Record{}, false, []string{"pts/0"}},
		{"of another user", []utmpx.Record{login("ssh", "bob", 100, start), alice}, utmpx.Record{}, false, []string{"pts/0"}},
		{"three seconds before", []utmpx.Record{login("ssh", "alice", 100, start.Add(-3*time.Second)), alice}, utmpx.Record{}, false, []string{"pts/0"}},
		{"a third one", []utmpx.Record{pam, login("xyz", "alice", 100, start), alice}, utmpx.Record{}, false, []string{"pts/0"}},
		{"a living session's, of the same process", []utmpx.Record{login("pts/1", "alice", 100, start), alice}, login("pts/1", "alice", 100, start), false, []string{"pts/0"}},
		{"the pid is in use", []utmpx.Record{pam, alice}, utmpx.Record{}, true, []string{"pts/0"}},
		{"of another terminal, whose record was not written", []utmpx.Record{alice, login("pts/9", "alice", 100, at)}, utmpx.Record{}, false, []string{"pts/0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.c.opts.Half = func(login session.Login) bool { return login.Line == "pts/9" }
			w.record(utmpName, alice)
			w.record(wtmpName, tt.wtmp...)
			jobs := w.jobs()
			if tt.other.Line != "" {
				w.record(utmpName, tt.other)
			}
			w.lives = map[int32]bool{100: tt.lives}
			got := w.c.clean(t.Context(), jobs)[0]
			var closed []string
			for _, r := range w.records(wtmpName)[len(tt.wtmp):] {
				if r.Type != utmpx.DeadProcess || r.PID != 100 || r.Host != "utmpd" {
					t.Errorf("written: %v", r)
				}
				closed = append(closed, r.Line)
			}
			if diff := cmp.Diff(tt.closed, closed); diff != "" {
				t.Errorf("closed (-want +got)\n%s", diff)
			}
			if !tt.lives && (got.Outcome != session.Done || got.Logout != session.Appended) {
				t.Errorf("%+v", got)
			}
			if tt.lives {
				if got.Outcome != session.Doubtful || got.Login.Line != "ssh" {
					t.Errorf("%+v", got)
				}
				w.owing(jobs[0], got.Login, 4)
			}
		})
	}
}

// TestFollows has a record that took the place of the login's own: it is of the same session
// if it names that process as the leader of its session, which has ended.
func TestFollows(t *testing.T) {
	script := login("console", "alice", 99, start)
	for _, tt := range []struct {
		name    string
		session int64 // of the record that came later
		lives   int32
		want    session.Logout
	}{
		{"it names the script", 99, 0, session.Appended},
		{"the script lives", 99, 99, session.LogoutOwed},
		{"it names none", 0, 0, session.Closed},
		{"it names another", 98, 0, session.Closed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := login("console", "alice", 100, start.Add(10*time.Millisecond))
			r.Session = tt.session
			w.record(utmpName, r)
			w.record(wtmpName, script)
			jobs := w.jobs()
			jobs[0].End, jobs[0].Rivals = end, []utmpx.Record{script}
			w.lives = map[int32]bool{tt.lives: true}
			if got := w.c.clean(t.Context(), jobs)[0]; got.Logout != tt.want {
				t.Errorf("got %+v, want logout %v", got, tt.want)
			}
		})
	}
}

// owing marks the record of a job whose logout waits for a login's writer, and pays that
// when the writer has ended.
func (w *world) owing(job session.Job, login session.Login, records int) {
	w.t.Helper()
	job.SkipLog, job.Login = true, login
	got := w.c.clean(w.t.Context(), []session.Job{job})[0]
	paid, err := w.c.pay(w.t.Context(), []session.Debt{job.Debt()})
	waiting := paid.Waiting
	if got.Outcome != session.Done || len(waiting) != 1 || waiting[0].Of != login || err != nil {
		w.t.Fatalf("%+v, waiting: %+v, %v", got, waiting, err)
	}
	if paid, err = w.c.pay(w.t.Context(), waiting); len(paid.Waiting) != 0 || paid.Closed != 0 || err != nil || len(w.records(wtmpName)) != records {
		w.t.Errorf("%+v, %v, wtmp holds %s", paid, err, brief(w.records(wtmpName)))
	}
}

// TestClosedTold: of logouts whose login is not open, those are counted that the log has
// called owed, with and without a lock on the log.
func TestClosedTold(t *testing.T) {
	for name, others := range map[string][]utmpx.Record{"all are closed": nil, "one is open": {login("pts/9", "bob", 9, start)}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			debts := []session.Debt{
				{Login: login("pts/0", "alice", 100, start), End: end},
				{Login: login("pts/1", "alice", 101, start), End: end, By: session.ID{PID: 101}},
				{Login: login("pts/2", "alice", 102, start), End: end, Alone: true},
			}
			for _, r := range others {
				debts = append(debts, session.Debt{Login: r, End: end})
			}
			w.record(wtmpName, others...)
			paid, err := w.c.pay(t.Context(), debts)
			if err != nil || paid.Closed != 3 || paid.Told != 1 {
				t.Errorf("%+v, %v", paid, err)
			}
		})
	}
}

// A login that stood open when the log was rotated is closed in the new one.
func TestRotation(t *testing.T) {
	alice := login("pts/0", "alice", 100, start)
	tests := []struct {
		name   string
		rotate func(w *world)
		want   session.Logout
	}{
		{"while we ran", func(w *world) {
			w.c.clean(w.t.Context(), nil)
			_, _ = w.c.opts.Log.Read(context.Background())
			w.sys.Rename(wtmpName, wtmpName+".1")
			w.sys.WriteFile(wtmpName, nil)
		}, session.Appended},
		{"before we started", func(w *world) {
			w.sys.Rename(wtmpName, wtmpName+".1")
			w.sys.WriteFile(wtmpName, nil)
		}, session.Appended},
		{"closed before the rotation", func(w *world) {
			w.record(wtmpName, logout("pts/0", end))
			w.sys.Rename(wtmpName, wtmpName+".1")
			w.sys.WriteFile(wtmpName, nil)
		}, session.NoLogout},
		{"compressed, and the new file begins after the login", func(w *world) {
			w.sys.Remove(wtmpName)
			w.sys.WriteFile(wtmpName+".1.gz", []byte("?"))
			w.sys.WriteFile(wtmpName, nil)
			w.record(wtmpName, login("pts/9", "bob", 7, start.Add(time.Minute)))
		}, session.Appended},
		{"compressed, and the new file is empty: nothing is known", func(w *world) {
			w.sys.Remove(wtmpName)
			w.sys.WriteFile(wtmpName+".1.gz", []byte("?"))
			w.sys.WriteFile(wtmpName, nil)
		}, session.NoLogout},
		{"compressed, and one that can be read closes it", func(w *world) {
			w.sys.Remove(wtmpName)
			w.sys.WriteFile(wtmpName+".2.gz", []byte("?"))
			w.sys.WriteFile(wtmpName+".1", nil)
			w.record(wtmpName+".1", logout("pts/0", end))
			w.sys.WriteFile(wtmpName, nil)
			w.record(wtmpName, login("pts/9", "bob", 7, start.Add(time.Minute)))
		}, session.NoLogout},
		{"compressed, and one that cannot be read may hold a login behind the one that closes it", func(w *world) {
			w.sys.Remove(wtmpName)
			w.sys.WriteFile(wtmpName+".3.gz", []byte("?"))
			w.sys.WriteFile(wtmpName+".2", nil)
			w.record(wtmpName+".2", logout("pts/0", start.Add(-time.Minute)))
			w.sys.WriteFile(wtmpName+".1", bytes.Repeat([]byte{0xff}, 1000))
			w.sys.WriteFile(wtmpName, nil)
			w.record(wtmpName, login("pts/9", "bob", 7, start.Add(time.Minute)))
		}, session.Appended},
		{"another login on the line in the new file", func(w *world) {
			w.sys.Rename(wtmpName, wtmpName+".1")
			w.sys.WriteFile(wtmpName, nil)
			w.record(wtmpName, login("pts/0", "bob", 7, end))
		}, session.Closed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.record(utmpName, alice)
			w.record(wtmpName, alice)
			tt.rotate(w)
			if got := w.c.clean(t.Context(), w.jobs())[0]; got.Logout != tt.want || got.Outcome != session.Done {
				t.Errorf("got %+v, want logout %v; wtmp %s", got, tt.want, brief(w.records(wtmpName)))
			}
		})
	}
}

func TestChanged(t *testing.T) {
	alice := login("pts/0", "alice", 100, start)
	tests := []struct {
		name   string
		change func(w *world)
	}{
		{"the record", func(w *world) {
			w.sys.Change(utmpName, func(b []byte) []byte { b[100]++; return b })
		}},
		{"the file, same bytes", func(w *world) {
			data := w.sys.ReadFile(utmpName)
			w.sys.Remove(utmpName)
			w.sys.WriteFile(utmpName, data)
		}},
		{"the file is gone", func(w *world) { w.sys.Remove(utmpName) }},
		{"the file is cut", func(w *world) {
			w.sys.Change(utmpName, func(b []byte) []byte { return b[:100] })
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.record(utmpName, alice)
			w.record(wtmpName, alice)
			jobs := w.jobs()
			tt.change(w)
			before := string(w.sys.ReadFile(utmpName))
			got := w.c.clean(t.Context(), jobs)[0]
			if got.Outcome != session.Changed && got.Outcome != session.Failed {
				t.Errorf("got %+v", got)
			}
			if string(w.sys.ReadFile(utmpName)) != before || len(w.records(wtmpName)) != 1 {
				t.Error("something was written")
			}
		})
	}
}

func TestLogFails(t *testing.T) {
	w := newWorld(t)
	alice := login("pts/0", "alice", 100, start)
	w.record(utmpName, alice)
	w.record(wtmpName, alice)
	full := func(op simfile.Op) *simfile.Fault {
		if op.Call == simfile.Append {
			return &simfile.Fault{N: 17, Err: syscall.ENOSPC}
		}
		return nil
	}
	w.sys.Inject(full)
	jobs := w.jobs()
	if got := w.c.clean(t.Context(), jobs)[0]; got.Outcome != session.LogFailed || !errors.Is(got.Err, syscall.ENOSPC) {
		t.Errorf("got %+v", got)
	}
	if w.records(utmpName)[0].Type != utmpx.UserProcess || len(w.sys.ReadFile(wtmpName)) != layout.Size() {
		t.Error("the record was marked, or the torn logout was left")
	}
	jobs[0].SkipLog = true
	if got := w.c.clean(t.Context(), jobs)[0]; got.Outcome != session.Done || got.Logout != session.LogoutOwed {
		t.Errorf("got %+v", got)
	}
	debts := []session.Debt{{Login: alice, End: end}}
	if _, err := w.c.pay(t.Context(), debts); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("pay: %v", err)
	}
	w.sys.Inject(nil)
	for range 2 { // the second time it is closed already
		if _, err := w.c.pay(t.Context(), debts); err != nil {
			t.Errorf("pay: %v", err)
		}
	}
	if got := brief(w.records(wtmpName)); got != "user:pts/0 dead:pts/0" {
		t.Errorf("wtmp holds %s", got)
	}
}

func TestMissingLogIsSkipped(t *testing.T) {
	w := newWorld(t)
	w.record(utmpName, login("pts/0", "alice", 100, start))
	w.sys.Remove(wtmpName)
	if got := w.c.clean(t.Context(), w.jobs())[0]; got.Outcome != session.Done || got.Logout != session.NoLogout || got.Err != nil {
		t.Errorf("got %+v", got)
	}
	// What is owed waits: the log may be on its way, as in a rotation.
	if _, err := w.c.pay(t.Context(), []session.Debt{{Login: login("pts/0", "alice", 100, start), End: end}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("pay: %v", err)
	}
}

// TestLogTakesNothing: nothing is owed to a log that takes no records, and that is said
// once until it takes some.
func TestLogTakesNothing(t *testing.T) {
	other, err := utmpx.Glibc400LE.Encode(login("pts/9", "bob", 9, start))
	if err != nil {
		t.Fatal(err)
	}
	own := encode(t, login("pts/0", "alice", 100, start))
	refused := map[string]func(w *world){
		"device":       func(w *world) { w.sys.Special(wtmpName, fs.ModeDevice) },
		"other layout": func(w *world) { w.sys.WriteFile(wtmpName, append(bytes.Repeat(own, 4), bytes.Repeat(other, 8)...)) },
		"text":         func(w *world) { w.sys.WriteFile(wtmpName, bytes.Repeat([]byte("text "), 1000)) },
	}
	for name, refuse := range refused {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var said strings.Builder
			w.c.opts.Logger = slog.New(slog.NewTextHandler(&said, nil))
			debts := []session.Debt{{Login: login("pts/0", "alice", 100, start), End: end}}
			for range 2 {
				refuse(w)
				w.sys.WriteFile(utmpName, own)
				for range 2 {
					if _, err := w.c.pay(t.Context(), debts); !recfile.TakesNothing(err) {
						t.Errorf("pay: %v", err)
					}
				}
				if got := w.c.clean(t.Context(), w.jobs())[0]; got.Outcome != session.Done || got.Logout != session.NoLogout || got.Err != nil {
					t.Errorf("got %+v", got)
				}
				w.sys.WriteFile(wtmpName, nil)
				if _, err := w.c.pay(t.Context(), debts); err != nil {
					t.Errorf("pay: %v", err)
				}
			}
			if n := strings.Count(said.String(), "takes no records"); n != 2 {
				t.Errorf("said %d times, want 2:\n%s", n, &said)
			}
		})
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.dry = true
	w.restart()
	alice := login("pts/0", "alice", 100, start)
	w.record(utmpName, alice)
	w.record(wtmpName, alice)
	if got := w.c.clean(t.Context(), w.jobs())[0]; got.Outcome != session.DryRun || got.Logout != session.Appended {
		t.Errorf("got %+v", got)
	}
	for _, call := range []simfile.Call{simfile.Write, simfile.Append, simfile.Truncate, simfile.Sync} {
		if n := w.sys.Calls()[call]; n != 0 {
			t.Errorf("%d × %s", n, call)
		}
	}
}

// Somebody holds a lock for longer than our patience: the caller is told who,
// and once it is dropped the next attempt succeeds.
func TestBusy(t *testing.T) {
	for name, want := range map[string]session.Outcome{utmpName: session.Busy, wtmpName: session.LogFailed} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				alice := login("pts/0", "alice", 100, start)
				w.record(utmpName, alice)
				w.record(wtmpName, alice)
				jobs := w.jobs()
				h, err := w.sys.As(4711).Open(name, sysfile.ReadWrite)
				if err != nil {
					t.Fatal(err)
				}
				if err := h.TryLock(sysfile.WriteLock); err != nil {
					t.Fatal(err)
				}
				got := w.c.clean(t.Context(), jobs)[0]
				var locked *recfile.LockedError
				if got.Outcome != want || !errors.As(got.Err, &locked) || locked.PID != 4711 {
					t.Errorf("got %+v", got)
				}
				h.Close()
				if got := w.c.clean(t.Context(), jobs)[0]; got.Outcome != session.Done || got.Logout != session.Appended {
					t.Errorf("after the lock: %+v", got)
				}
				synctest.Wait()
				if n := w.sys.OpenHandles(); n != 0 {
					t.Errorf("%d handles left open", n)
				}
			})
		})
	}
}

// TestNoLineNoLogout: where the log begins after the login, a line that is not
// told of there is taken for open, but no line is none.
func TestNoLineNoLogout(t *testing.T) {
	w := newWorld(t)
	w.record(utmpName, login("", "alice", 100, start))
	w.sys.WriteFile(wtmpName+".1.gz", []byte("?"))
	w.record(wtmpName, login("pts/9", "bob", 7, start.Add(time.Minute)))
	if got := w.c.clean(t.Context(), w.jobs())[0]; got.Logout != session.NoLogout || got.Outcome != session.Done {
		t.Errorf("got %+v; wtmp %s", got, brief(w.records(wtmpName)))
	}
}

// TestSynced: what was written is made durable, once for each file, and at once,
// not when utmpd ends.
func TestSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range int32(3) {
			r := login(fmt.Sprintf("pts/%d", i), "alice", 100+i, start)
			w.record(utmpName, r)
			w.record(wtmpName, r)
		}
		jobs, synced := w.jobs(), map[string]int{}
		var mu sync.Mutex // the files are synced at the same time
		w.sys.Inject(func(op simfile.Op) *simfile.Fault {
			if op.Call == simfile.Sync {
				mu.Lock()
				defer mu.Unlock()
				synced[op.Name]++
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); w.c.Run(ctx) }()
		w.c.Clean(jobs, func([]session.Result) {})
		synctest.Wait()
		if diff := cmp.Diff(map[string]int{wtmpName: 1, utmpName: 1}, synced); diff != "" {
			t.Errorf("synced (-want +got):\n%s", diff)
		}
		cancel()
		<-ended
	})
}

// Killed at any of its calls and started again, the Cleaner leaves what one that
// was not killed leaves.
func TestKilledAnywhere(t *testing.T) {
	killed := errors.New("killed")
	for n, hit := 0, true; hit; n++ {
		hit = false
		w := newWorld(t)
		for i := range int32(3) {
			r := login(fmt.Sprintf("pts/%d", i), "alice", 100+i, start)
			w.record(utmpName, r)
			w.record(wtmpName, r)
		}
		jobs := w.jobs()
		calls := 0
		w.sys.Inject(func(op simfile.Op) *simfile.Fault {
			calls++
			if calls > n { // nothing works after a death
				hit = true
				return &simfile.Fault{N: op.Len * (n % 3) / 2, Err: killed}
			}
			return nil
		})
		w.c.clean(t.Context(), jobs)
		w.sys.Inject(nil)
		w.restart()
		w.c.clean(t.Context(), w.jobs())
		for _, r := range w.records(utmpName) {
			if r.Type != utmpx.DeadProcess {
				t.Fatalf("killed after %d calls: %v", n, r)
			}
		}
		if got, want := brief(w.records(wtmpName)), "user:pts/0 user:pts/1 user:pts/2 dead:pts/0 dead:pts/1 dead:pts/2"; got != want {
			t.Fatalf("killed after %d calls: wtmp holds %s", n, got)
		}
	}
}

func TestManyJobs(t *testing.T) {
	w := newWorld(t)
	const n = 1000
	for i := range int32(n) {
		r := login(fmt.Sprintf("pts/%d", i), "alice", 100+i, start)
		w.record(utmpName, r)
		w.record(wtmpName, r)
	}
	results := make(chan []session.Result, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.c.Run(ctx); close(done) }()
	w.c.Clean(w.jobs(), func(r []session.Result) { results <- r })
	for i, r := range <-results {
		if r.Outcome != session.Done || r.Logout != session.Appended {
			t.Fatalf("job %d: %+v", i, r)
		}
	}
	cancel()
	<-done
	if got := len(w.records(wtmpName)); got != 2*n {
		t.Errorf("wtmp holds %d records", got)
	}
	calls := w.sys.Calls()
	if calls[simfile.Append] != (n+batch-1)/batch || calls[simfile.Sync] != 2 {
		t.Errorf("calls %v", calls)
	}
}
