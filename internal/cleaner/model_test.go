// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"math/rand/v2"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// modelSession is a login on the one line of the model, and the truth about it.
type modelSession struct {
	began, ended time.Duration // ended: when the last of its processes does
	pid          int32         // in utmp
	logPID       int32         // in wtmp
	inFile       time.Duration // when its record comes into the utmpx file; before: none
	sameID       bool          // as the first session's: it displaces that record
	logged       bool
	file, log    utmpx.Record
}

// model is two or three logins of one user on one line, one after another or within each
// other: by programs that write both files as one, by login(1), whose parent writes wtmp
// first, and by those that write one file alone; with whole seconds, pids used again at
// once, and a clock that is set. The first one dies, and is judged.
type model struct {
	r        *rand.Rand
	stepAt   time.Duration
	step     time.Duration
	sessions []*modelSession
	died     time.Duration
	judged   time.Duration
}

func newModel(r *rand.Rand) *model {
	m := &model{r: r, stepAt: time.Hour}
	if r.IntN(3) == 0 {
		m.stepAt, m.step = m.upTo(6*time.Second), m.upTo(4*time.Second)-2*time.Second
	}
	m.login(m.upTo(time.Second), 100)
	first := m.sessions[0]
	m.died = first.began + 100*time.Millisecond + m.upTo(4*time.Second)
	first.ended = m.died
	if first.logPID != first.pid && r.IntN(2) == 0 { // the writer of the log outlives it
		first.ended += m.upTo(3 * time.Second)
	}
	m.judged = m.died + m.upTo(3*time.Second)
	for range 1 + r.IntN(2) {
		at, pid := max(0, m.died-time.Second+m.upTo(4*time.Second)), int32(200+len(m.sessions))
		if at > m.died && r.IntN(4) == 0 {
			pid = first.pid
		}
		m.login(at, pid)
	}
	return m
}

func (m *model) upTo(d time.Duration) time.Duration { return time.Duration(m.r.Int64N(int64(d))) }

func (m *model) wall(at time.Duration) time.Time {
	t := time.Unix(1_700_000_000, 0).Add(at)
	if at >= m.stepAt {
		t = t.Add(m.step)
	}
	return t
}

// login begins a session that lives long.
func (m *model) login(at time.Duration, pid int32) {
	s := &modelSession{began: at, ended: time.Hour, pid: pid, logPID: pid, inFile: at, logged: true, sameID: m.r.IntN(3) == 0}
	written := at
	switch m.r.IntN(5) {
	case 0, 1: // login(1)
		s.logPID = pid + 1000
		s.inFile = at + time.Millisecond + m.upTo(60*time.Millisecond)
		written = s.inFile
	case 2:
		s.logged = len(m.sessions) > 0 && m.r.IntN(2) == 0
	case 3:
		if len(m.sessions) > 0 && m.r.IntN(2) == 0 {
			s.inFile = time.Hour // su -l
		}
	}
	s.file = utmpx.Record{Type: utmpx.UserProcess, Line: "pts/0", User: "alice", PID: s.pid, Time: utmpx.TimeOf(m.wall(written))}
	s.log = s.file
	s.log.PID, s.log.Time = s.logPID, utmpx.TimeOf(m.wall(at))
	if s.logPID != s.pid {
		s.file.Session = int64(s.logPID)
	}
	if m.r.IntN(3) == 0 {
		s.file.Time.Usec, s.log.Time.Usec = 0, 0
	}
	m.sessions = append(m.sessions, s)
}

// open returns the login that is open when the first session is judged, nil if none is,
// or if its record is not in the file any more.
func (m *model) open() *modelSession {
	var last *modelSession
	for _, s := range m.sessions {
		if s.logged && s.began <= m.judged && (last == nil || s.began >= last.began) {
			last = s
		}
		if s != m.sessions[0] && s.sameID && s.inFile <= m.judged && s.inFile >= m.sessions[0].inFile {
			return nil
		}
	}
	return last
}

// debt returns the first session's logout, its death seen or found.
func (m *model) debt() session.Debt {
	first := m.sessions[0]
	d := session.Debt{Login: first.file, End: m.wall(m.died)}
	if m.r.IntN(3) == 0 {
		d.End, d.After = m.wall(m.judged), m.wall(first.inFile+m.upTo(m.died-first.began))
		if m.r.IntN(2) == 0 {
			d.After = first.file.Time.Time()
		}
	}
	return d
}

// alive reports whether a process has that pid when the first session is judged.
func (m *model) alive(pid int32) bool {
	for _, s := range m.sessions {
		if s.began <= m.judged && m.judged < s.ended && (s.logPID == pid || s != m.sessions[0] && s.pid == pid) {
			return true
		}
	}
	return false
}

// appends does what Cleaner.settle does, in the model.
func (m *model) appends(logins *openlogins.Logins, d session.Debt) bool {
	logout, doubt := judge(logins, d)
	if logout != session.LogoutOwed {
		return logout == session.Appended
	}
	for _, o := range m.sessions[1:] {
		if o.inFile <= m.judged && rivals(o.file, d.Login, doubt) {
			return false
		}
	}
	return !m.alive(doubt.PID)
}

// bySecond is a rule that does not ask who lives: the same second, or the same pid within
// two.
func bySecond(login utmpx.Record, d session.Debt) bool {
	same := login.Time.Sec == d.Login.Time.Sec || login.PID == d.Login.PID && near(login.Time, d.Login.Time)
	return same && !login.Time.Time().After(d.End)
}

// TestModel judges 60,000 modelled logins. No logout may end a login whose session
// lives.
func TestModel(t *testing.T) {
	const schedules = 60_000
	r := rand.New(rand.NewPCG(9, 1))
	var judged, wrong, wrongBySecond, own, closed int
	for range schedules {
		m := newModel(r)
		last := m.open()
		if last == nil {
			continue
		}
		judged++
		logins, d := openlogins.Of(last.log), m.debt()
		lives := m.judged < last.ended
		appends := m.appends(logins, d)
		if appends && lives {
			wrong++
			if wrong < 5 {
				t.Errorf("a logout of %v, died %v, after the login of %v, which lives", d.Login, d.End, last.log)
			}
		}
		if lives && bySecond(last.log, d) {
			wrongBySecond++
		}
		if !lives && last == m.sessions[0] {
			own++
			if appends {
				closed++
			}
		}
	}
	t.Logf("%d judged: %d logouts after a login that lives, %d by the second alone; %d of %d own logins closed", judged, wrong, wrongBySecond, closed, own)
	if wrongBySecond < 100 || own < schedules/10 || closed < own*8/10 {
		t.Error("the model proves less than it seems to")
	}
}
