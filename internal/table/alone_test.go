// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// TestAlone: a login that stands in the log alone is closed when its process has ended, if
// that proves that the session has; else it stays.
func TestAlone(t *testing.T) {
	const pid = 200
	tests := []struct {
		name, line string
		run        func(w *world, line string)
		closed     bool
	}{
		{"an FTP server's", "ftpd200", func(w *world, line string) {
			w.start(pid)
			w.loggedIn(line, pid)
		}, true},
		{"an FTP server's, with a colon", "vsftpd:200", func(w *world, line string) {
			w.start(pid)
			w.loggedIn(line, pid)
		}, true},
		{"an FTP server's, whose process began long before", "ftpd200", func(w *world, line string) {
			w.start(pid)
			w.pass(11 * time.Minute)
			w.loggedIn(line, pid)
			w.pass(time.Hour)
		}, false},
		{"an FTP server's, which has ended before it was seen", "ftpd200", func(w *world, line string) {
			w.loggedIn(line, pid)
		}, true},
		{"the same, and a container has the number", "ftpd200", func(w *world, line string) {
			w.start(300)
			w.leaders[line] = session.Evidence{Namesakes: []session.Candidate{{ID: w.procs[300].id, UID: 1234}}}
			w.loggedIn(line, pid)
		}, false},
		{"an FTP server's, found dead at the start", "ftpd200", func(w *world, line string) {
			w.handle(LoggedIn{All: true, Logins: []session.OpenLogin{w.open(line, pid)}})
		}, false},
		{"with another pid in its name", "ftpd2001", func(w *world, line string) {
			w.start(pid)
			w.loggedIn(line, pid)
		}, false},
		{"of a terminal with that number", "pts/200", func(w *world, line string) {
			w.start(pid)
			w.loggedIn(line, pid)
		}, false},
		{"any line, for a minute", "ftp", func(w *world, line string) {
			w.start(pid)
			w.loggedIn(line, pid)
			w.pass(aloneAge)
		}, true},
		{"any line, for less", "ftp", func(w *world, line string) {
			w.start(pid)
			w.loggedIn(line, pid)
			w.pass(aloneAge - 1)
		}, false},
		{"any line, for a minute, but for a restart", "ftp", func(w *world, line string) {
			w.start(pid)
			w.loggedIn(line, pid)
			w.pass(aloneAge / 2)
			w.restart()
			w.scan()
			w.handle(LoggedIn{All: true, Logins: []session.OpenLogin{{
				Login: session.Login{Line: line, PID: pid, Time: utmpx.TimeOf(w.now.Wall.Add(-aloneAge / 2))}, User: "root",
			}}})
			w.pass(aloneAge / 2)
		}, true},
		{"a display, for an hour", ":1", func(w *world, line string) {
			w.start(pid)
			w.loggedIn(line, pid)
			w.pass(time.Hour)
		}, false},
		{"of before the boot", "ftp", func(w *world, line string) {
			w.start(pid)
			in := w.open(line, pid)
			in.Time.Sec -= 25 * 3600
			w.handle(LoggedIn{All: true, Logins: []session.OpenLogin{in}})
			w.pass(time.Hour)
		}, false},
		{"any line, and a record has its process", "ftp", func(w *world, line string) {
			w.start(pid)
			r := w.login("pts/5", pid)
			r.User = "root"
			r.Time.Sec -= 60
			w.put(1, r)
			w.scan()
			w.loggedIn(line, pid)
			w.pass(time.Hour)
			w.hold = true // and stays
		}, false},
		{"a terminal that somebody leads", "pts/9", func(w *world, line string) {
			w.start(pid)
			w.start(300)
			w.loggedIn(line, pid)
			w.pass(time.Minute)
			w.leaders[line] = session.Evidence{User: session.Owner{Known: true, UID: 1}, Leaders: []session.Candidate{{ID: w.procs[300].id, UID: 1234}}}
		}, false},
		{"its record comes a moment later", "pts/9", func(w *world, line string) {
			w.start(pid)
			w.start(300)
			w.loggedIn(line, pid)
			r := w.login(line, 300)
			r.User = "root"
			w.put(1, r)
			w.scan()
			if n := len(w.table.waits.byKey); n != 0 {
				w.t.Errorf("%d are kept", n)
			}
		}, false},
		{"any line, for less, found when utmpd runs again and has saved the table", "ftp", func(w *world, line string) {
			w.start(pid)
			w.loggedIn(line, pid)
			w.pass(time.Second)
			since := w.now
			w.pass(time.Hour)
			w.table.Checkpoint(w.now)
			late := Exited{Token: w.procs[pid].token, Late: true, Since: since.Mono, SinceWall: since.Wall}
			delete(w.procs, pid)
			w.handle(late)
		}, false},
		{"a later login on the line", "ftp", func(w *world, line string) {
			w.start(pid)
			w.start(201)
			w.loggedIn(line, pid)
			w.pass(time.Hour)
			w.loggedIn(line, 201)
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.put(0, utmpx.Record{Type: utmpx.BootTime, Line: "~", Time: utmpx.TimeOf(w.boot)})
			w.scan()
			tt.run(w, tt.line)
			died := w.now.Wall
			w.kill(pid, session.Status{})
			w.pass(time.Second - 1)
			w.wantUnpaid()
			w.pass(time.Minute)
			w.scan()
			if !tt.closed {
				w.wantUnpaid()
				return
			}
			w.wantLost(utmpx.Record{Line: tt.line, PID: pid}, died)
			if n := len(w.table.waits.byKey); n != 0 {
				t.Errorf("%d are left", n)
			}
		})
	}
}

// TestDiedBeforeItsRecordWasRead: the session of a record that is read late ended when the
// process of its login did, which was watched.
func TestDiedBeforeItsRecordWasRead(t *testing.T) {
	const pid = 200
	for _, reused := range []bool{false, true} {
		w := newWorld(t)
		w.scan()
		w.start(pid)
		r := w.login("pts/9", pid)
		r.User = "root"
		w.loggedIn("pts/9", pid)
		w.pass(300 * time.Millisecond)
		died := w.now.Wall
		w.kill(pid, session.Status{Known: true, Wait: 9})
		w.pass(500 * time.Millisecond)
		if reused {
			w.start(pid)
		}
		w.put(1, r)
		w.read(false)
		w.pass(10 * time.Second)
		w.wantDead(1, died)
		for _, j := range w.cleaned {
			if j.Status.Signal() != 9 || !j.After.IsZero() {
				t.Errorf("reused %v: the job is %+v, want signal 9, and no bounds", reused, j)
			}
		}
	}
}

// TestAloneOnLine: a login of su's on the line of a session ends with that session, when
// nothing lives on the line any more.
func TestAloneOnLine(t *testing.T) {
	const user, su = 100, 200
	tests := []struct {
		name string
		run  func(w *world) (died time.Time)
	}{
		{"killed together", func(w *world) time.Time {
			w.kill(su, session.Status{})
			w.kill(user, session.Status{})
			return w.now.Wall
		}},
		{"su before the session", func(w *world) time.Time {
			died := w.now.Wall
			w.kill(su, session.Status{})
			w.pass(time.Hour)
			w.scan()
			w.wantUnpaid()
			w.kill(user, session.Status{})
			return died
		}},
		{"su lives on", func(w *world) time.Time {
			w.kill(user, session.Status{})
			w.pass(time.Hour)
			w.wantDead(0, epoch.Add(10*time.Second))
			w.wantUnpaid()
			died := w.now.Wall
			w.kill(su, session.Status{})
			return died
		}},
		{"somebody leads the line, whoever he is", func(w *world) time.Time {
			w.start(300)
			w.kill(user, session.Status{})
			w.pass(time.Minute)
			w.leaders["pts/0"] = session.Evidence{
				User: session.Owner{Known: true, UID: 0}, Leaders: []session.Candidate{{ID: w.procs[300].id, UID: 1234}},
			}
			w.kill(su, session.Status{})
			w.pass(time.Hour)
			w.scan()
			w.wantUnpaid()
			died := w.now.Wall
			delete(w.leaders, "pts/0")
			w.kill(300, session.Status{})
			return died
		}},
		{"utmpd is killed before the table is saved", func(w *world) time.Time {
			w.kill(user, session.Status{})
			w.pass(time.Second)
			delete(w.procs, su)
			w.table = New(w.table.set)
			w.scan()
			w.handle(LoggedIn{All: true, Logins: []session.OpenLogin{w.inLog}})
			return epoch.Add(10 * time.Second)
		}},
		{"another session has the line", func(w *world) time.Time {
			w.kill(user, session.Status{})
			w.pass(time.Second)
			w.start(300)
			r := w.login("pts/0", 300)
			r.ID = "/0"
			w.put(1, r)
			w.scan()
			w.kill(su, session.Status{})
			w.pass(time.Hour)
			w.scan()
			w.wantUnpaid()
			died := w.now.Wall.Add(-time.Hour)
			w.kill(300, session.Status{})
			return died
		}},
		{"the owner has marked the record", func(w *world) time.Time {
			w.mark(w.get(0))
			w.pass(time.Hour)
			w.wantUnpaid()
			w.kill(su, session.Status{})
			w.pass(time.Minute)
			w.wantUnpaid()
			w.kill(user, session.Status{})
			return epoch.Add(10*time.Second + time.Hour)
		}},
		{"the file is away for a while", func(w *world) time.Time {
			w.kill(su, session.Status{})
			died := w.now.Wall
			file := w.file
			w.file = nil
			w.scan()
			w.pass(time.Minute)
			w.file = file
			w.scan()
			w.kill(user, session.Status{})
			return died
		}},
		{"one of two sessions of the line has ended, and the file is away", func(w *world) time.Time {
			w.start(300)
			r := w.login("pts/0", 300)
			r.ID = "/0"
			w.put(1, r)
			w.scan()
			w.kill(user, session.Status{})
			w.kill(su, session.Status{})
			died := w.now.Wall
			w.pass(time.Minute)
			file := w.file
			w.file = nil
			w.scan()
			w.pass(time.Second)
			w.wantUnpaid()
			w.file = file
			w.scan()
			w.pass(time.Minute)
			w.wantUnpaid()
			w.kill(300, session.Status{})
			return died
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.start(user)
			w.put(0, w.login("pts/0", user))
			w.scan()
			w.pass(10 * time.Second)
			w.start(su)
			w.loggedIn("pts/0", su)
			died := tt.run(w)
			w.pass(time.Minute)
			w.scan()
			w.pass(time.Minute)
			var paid []session.Debt
			for _, d := range w.paid {
				if d.Login.PID == su {
					paid = append(paid, d)
				}
			}
			if len(paid) != 1 || !paid[0].End.Equal(died) || paid[0].Login.User != "root" {
				t.Errorf("paid: %+v, want one of su, ended %v", paid, died)
			}
			if n := len(w.table.waits.byKey); n != 0 {
				t.Errorf("%d are left", n)
			}
		})
	}
}

// TestAloneBounded: no more logins are kept than other logouts that wait.
func TestAloneBounded(t *testing.T) {
	w := newWorld(t)
	w.scan()
	var all []session.OpenLogin
	for pid := range int32(OwedMost + 10) {
		in := w.open("ftp", 1000+pid)
		in.Line += string(rune('A'+pid%26)) + time.Duration(pid).String()
		all = append(all, in)
		w.start(1000 + pid)
	}
	w.table.Handle(w.now, LoggedIn{Logins: all})
	if n := len(w.table.waits.byKey); n != OwedMost {
		t.Errorf("%d are kept, want %d", n, OwedMost)
	}
}

// open returns a login of root's in the log, just written.
func (w *world) open(line string, pid int32) session.OpenLogin {
	return session.OpenLogin{Login: session.Login{Line: line, PID: pid, Time: utmpx.TimeOf(w.now.Wall)}, User: "root"}
}

// loggedIn has a login of root's appended to the log.
func (w *world) loggedIn(line string, pid int32) {
	w.t.Helper()
	w.inLog = w.open(line, pid)
	w.handle(LoggedIn{Logins: []session.OpenLogin{w.inLog}})
}
