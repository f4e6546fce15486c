// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// readWtmpdb reads the sessions that wtmpdb knows, if it has a database.
func (l *sessionLog) readWtmpdb(on func(*utmpx.Record) bool) {
	b, err := l.in.on.wtmpdb(l.in.ctx)
	if err == nil && len(b) > 0 {
		l.db, err = readWtmpdb(b, on)
	}
	if err != nil {
		l.failed = true
		tell(l.in.stderr, fmt.Sprintf("sessions that wtmpdb alone knows are not shown: %v", err))
	}
}

// fromWtmpdb is the source of a session that wtmpdb(8) alone knows.
const fromWtmpdb boots.Source = "wtmpdb"

// Where wtmpdb and its database are.
const (
	wtmpdbProgram  = "/usr/bin/wtmpdb"
	wtmpdbDatabase = "/var/lib/wtmpdb/wtmp.db"
)

// wtmpdbMost is how much of its output is read, and wtmpdbPatience how long it may take.
const (
	wtmpdbMost     = 256 << 20
	wtmpdbPatience = time.Minute
)

// wtmpdb returns what `wtmpdb last` prints, newest first; nil if there is no database. A
// library that reads the database itself would make utmpctl twice as large.
func wtmpdb(ctx context.Context) ([]byte, error) {
	for _, name := range []string{wtmpdbProgram, wtmpdbDatabase} {
		if _, err := os.Stat(name); err != nil {
			return nil, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, wtmpdbPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, wtmpdbProgram, "last", "--json", "--fullnames", "--time-format", "iso")
	cmd.Env = []string{"TZ=UTC", "LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"}
	cmd.WaitDelay = time.Second
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(out, wtmpdbMost+1))
	if len(b) > wtmpdbMost {
		cancel()
		err = errors.New("it prints too much")
	}
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("%w: %s", ended, bytes.TrimSpace(errs.Bytes()))
	}
	return b, err
}

// database is the sessions that wtmpdb knows, newest first, and which of them the log has not
// told yet.
type database struct {
	all  []sessions.Session
	told []bool
	next int // those before were told, or are told by the log
	from time.Time
}

// wtmpdbEntry is one entry of `wtmpdb last -j`.
type wtmpdbEntry struct{ User, TTY, Hostname, Login, Logout string }

// readWtmpdb returns the sessions in the output of `wtmpdb last`. on reports whether a
// session is in the utmpx file now.
func readWtmpdb(b []byte, on func(*utmpx.Record) bool) (*database, error) {
	var out struct{ Entries []wtmpdbEntry }
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, err
	}
	db := new(database)
	var boot time.Time // the one after the session
	for _, e := range out.Entries {
		from, err := time.Parse(wtmpdbTime, strings.TrimSpace(e.Login))
		if err != nil {
			return nil, err
		}
		if e.TTY == "system boot" || e.TTY == "~" {
			if e.User == "reboot" {
				boot = from
			}
			continue
		}
		s := sessions.Session{From: from, By: fromWtmpdb, End: sessions.Gone, Least: from, Most: boot}
		s.Login = utmpx.Record{Type: utmpx.UserProcess, Line: strings.TrimPrefix(e.TTY, "/dev/"), User: e.User, Host: e.Hostname, Time: utmpx.TimeOf(from)}
		if to, err := time.Parse(wtmpdbTime, strings.TrimSpace(e.Logout)); err == nil {
			s.End, s.To, s.Exact, s.Least, s.Most = sessions.Logout, to, true, time.Time{}, time.Time{}
		} else if boot.IsZero() && on != nil && on(&s.Login) {
			s.End, s.Least = sessions.StillOn, time.Time{}
		}
		db.all = append(db.all, s)
	}
	db.told = make([]bool, len(db.all))
	return db, nil
}

const wtmpdbTime = "2006-01-02T15:04:05-0700"

// sameLogin is how far apart the log and wtmpdb may have the login of one session: they are
// told by different programs.
const sameLogin = time.Minute

// before yields the sessions that began after a session of the log, and that the log lacks.
// It notes which one s is. What was within a session of the log, on its line, is none of its
// own: su and sudo. inside reports whether that session is still to come.
func (db *database) before(s *sessions.Session, inside, yield func(*sessions.Session) bool) bool {
	for ; db.next < len(db.all) && db.all[db.next].From.After(s.From.Add(sameLogin)); db.next++ {
		e := &db.all[db.next]
		if !db.told[db.next] && !within(e, s) && !inside(e) && !yield(e) {
			return false
		}
	}
	best, least := -1, sameLogin+1
	for i := db.next; i < len(db.all) && !db.all[i].From.Before(s.From.Add(-sameLogin)); i++ {
		if d := db.all[i].From.Sub(s.From).Abs(); !db.told[i] && d < least && sameSession(&db.all[i], s) {
			best, least = i, d
		}
	}
	if best >= 0 {
		db.told[best] = true
	}
	for i := db.next; i < len(db.all) && db.all[i].From.After(s.From); i++ {
		db.told[i] = db.told[i] || within(&db.all[i], s)
	}
	db.from = s.From
	return true
}

// within reports whether a session of wtmpdb began on the line of one of the log, in its time.
func within(s, of *sessions.Session) bool {
	on := of.End == sessions.StillOn || of.Exact && of.To.After(s.From)
	return on && s.Login.Line == of.Login.Line && s.From.After(of.From)
}

// rest yields the sessions that are left once the log has told all of its own. If its reading
// was done before its beginning, nobody knows which of the older ones the log has: only those
// are told whose end wtmpdb knows.
func (db *database) rest(done bool, yield func(*sessions.Session) bool) {
	for ; db.next < len(db.all); db.next++ {
		s := &db.all[db.next]
		older := done && s.From.Before(db.from.Add(-sameLogin))
		if !db.told[db.next] && !(older && s.End == sessions.Gone) && !yield(s) {
			return
		}
	}
}

// sameSession reports whether a session of wtmpdb is one of the log that began about then.
// PAM may know sshd's sessions, before they have a terminal, by the name "ssh".
func sameSession(s, of *sessions.Session) bool {
	if s.Login.User != of.Login.User {
		return false
	}
	if s.Login.Line == of.Login.Line {
		return true
	}
	const near = 5 * time.Second
	named := s.Login.Line == "ssh" || s.Login.Line == "sshd"
	return named && s.Login.Host == hostOrAddress(of) && s.From.Sub(of.From).Abs() <= near
}
