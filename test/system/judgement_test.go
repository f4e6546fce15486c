// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// judge runs one way of one cell and judges what it left.
func (p *program) judge(t *testing.T, name string, w way) {
	switch name {
	case caseKilled:
		startUtmpd(t)
		s := p.login(t)
		p.mustEnd(t, s, w)
	case caseOutlived:
		d := startUtmpd(t)
		s := p.login(t)
		p.mustOutlive(t, d, s, w)
		p.mustEnd(t, s, outlivedShell)
	case caseEnded:
		p.judgeEnded(t, w)
	}
}

// outlivedShell ends a session that has outlived its ut_pid.
var outlivedShell = kill("its shell", shell)

// mustEnd ends the session in a way that leaves its entry to utmpd, and holds
// utmpd to what it owes: who without it in time, its end in last, one logout.
func (p *program) mustEnd(t *testing.T, s *session, w way) {
	t.Helper()
	if !whoShows(t, s.entry.Line) {
		t.Fatalf("who does not show %v", s.entry)
	}
	lives := func() bool { return alive(int(s.entry.PID)) || s.shell != 0 && leaderOf(s.entry.Line) == s.shell }
	died := death{from: time.Now()}
	w.do(t, s)
	waitFor(t, generous, "the session's death", func() bool { return !lives() })
	died.to = time.Now()

	waitFor(t, generous, "who to show the session no more", func() bool { return !whoShows(t, s.entry.Line) })
	took := time.Since(died.to)
	report("%.2fs", took.Seconds())
	switch {
	case took > grace+slow:
		t.Errorf("who showed the session for %v after its end, more than %v", took, grace+slow)
	case took < grace/2 && w.name != outlivedShell.name:
		t.Errorf("who showed the session for %v only: its owner cleaned it, this is no way to leave an entry", took)
	}
	p.checkEntry(t, s, died)
	p.checkLast(t, s, died)
	settle(t)
	want := 1
	if p.unlogged {
		want = 0
	}
	if got := logouts(t, s.entry); got != want {
		t.Errorf("wtmp holds %d logouts for the login, want %d", got, want)
	}
}

// checkEntry checks the record that utmpd left in utmp.
func (p *program) checkEntry(t *testing.T, s *session, died death) {
	t.Helper()
	for _, r := range records(t, utmpFile) {
		if r.Line != s.entry.Line || r.ID != s.entry.ID || r.PID != s.entry.PID {
			continue
		}
		if r.Type != utmpx.DeadProcess || r.User != "" || r.Host != "" {
			t.Errorf("utmp holds %v", r)
		}
		within(t, "the entry's time", r.Time.Time(), died)
		return
	}
	t.Errorf("utmp has no record with the line, id and pid of %v", s.entry)
}

// checkLast checks what last tells of the session.
func (p *program) checkLast(t *testing.T, s *session, died death) {
	t.Helper()
	for _, v := range last(t) {
		if v.line != s.entry.Line {
			continue
		}
		if p.unlogged {
			t.Errorf("last tells of a login that the program did not record: %s", v.text)
			return
		}
		if v.user != s.entry.User || v.end.IsZero() {
			t.Errorf("last tells: %s", v.text)
			return
		}
		within(t, "last's end", v.end, died)
		return
	}
	if !p.unlogged {
		t.Error("last does not know of the session")
	}
}

// death is when something died: between two moments.
type death struct{ from, to time.Time }

// within checks that a moment, which may be cut to seconds, is the death's, give
// or take a second.
func within(t *testing.T, what string, at time.Time, died death) {
	t.Helper()
	if at.Before(died.from.Truncate(time.Second).Add(-time.Second)) || at.After(died.to.Add(time.Second)) {
		t.Errorf("%s is %v; it died between %v and %v", what, at.UTC(), died.from.UTC(), died.to.UTC())
	}
}

// mustOutlive kills ut_pid and holds utmpd to leaving the session alone.
func (p *program) mustOutlive(t *testing.T, d *utmpd, s *session, w way) {
	t.Helper()
	utmp, wtmp := readFile(t, utmpFile), readFile(t, wtmpFile)
	w.do(t, s)
	waitFor(t, generous, "ut_pid's death", func() bool { return !alive(int(s.entry.PID)) })
	holds(t, grace+1500*time.Millisecond, "the session lives, its records stay", func() bool {
		return alive(s.shell) && bytes.Equal(utmp, readFile(t, utmpFile)) && bytes.Equal(wtmp, readFile(t, wtmpFile))
	})
	if !whoShows(t, s.entry.Line) {
		t.Error("who does not show the living session")
	}
	for _, v := range last(t) {
		if v.line == s.entry.Line && !v.end.IsZero() {
			t.Errorf("last tells of the living session: %s", v.text)
		}
	}
	d.waitLog(t, "session left alone", "line="+s.entry.Line, fmt.Sprintf("pid=%d", s.entry.PID))
	if n := strings.Count(d.logged(), "session left alone"); n != 1 {
		t.Errorf("the log tells %d times that the session was left alone", n)
	}
	s.tm.ready(t)
}

// judgeEnded ends a session without utmpd and another with it, in the same
// way, and compares what they leave.
func (p *program) judgeEnded(t *testing.T, w way) {
	var without, with trace
	t.Run("without utmpd", func(t *testing.T) {
		without = p.run(t, w, !p.unmarked)
	})
	if t.Failed() {
		return
	}
	if err := freshFiles(); err != nil {
		t.Fatal(err)
	}
	t.Run("with utmpd", func(t *testing.T) {
		startUtmpd(t)
		with = p.run(t, w, true)
		if d := cmp.Diff(without.wtmp, with.wtmp); d != "" {
			t.Errorf("wtmp without utmpd (-) and with it (+):\n%s", d)
		}
		if d := cmp.Diff(without.utmp, with.utmp); d != "" && !p.unmarked {
			t.Errorf("utmp without utmpd (-) and with it (+):\n%s", d)
		}
		if whoShows(t, with.entry.Line) {
			t.Error("who still shows the session")
		}
		holds(t, grace+500*time.Millisecond, "utmp and wtmp stay as the program left them", func() bool {
			return bytes.Equal(with.rawUtmp, readFile(t, utmpFile)) && bytes.Equal(with.rawWtmp, readFile(t, wtmpFile))
		})
	})
	n := 0
	for _, r := range without.wtmp {
		if strings.HasPrefix(r, utmpx.DeadProcess.String()) {
			n++
		}
	}
	report("%d", n)
}

// trace is what a session left: its records without what differs from one run
// to the next, and their bytes.
type trace struct {
	entry            utmpx.Record
	utmp, wtmp       []string
	rawUtmp, rawWtmp []byte
}

// run logs in, ends the session, and returns what it left. marked says that
// somebody marks the entry.
func (p *program) run(t *testing.T, w way, marked bool) trace {
	s := p.login(t)
	wtmp := readFile(t, wtmpFile)
	w.do(t, s)
	waitFor(t, generous, "ut_pid's death", func() bool { return !alive(int(s.entry.PID)) })
	if marked {
		waitFor(t, generous, "the entry to be marked", func() bool {
			for _, r := range entries(t) {
				if r.Line == s.entry.Line {
					return false
				}
			}
			return true
		})
	}
	settle(t)
	tr := trace{entry: s.entry, rawUtmp: readFile(t, utmpFile), rawWtmp: readFile(t, wtmpFile)}
	if !bytes.HasPrefix(tr.rawWtmp, wtmp) {
		t.Error("wtmp lost or changed what it held at the login")
	}
	for _, r := range records(t, utmpFile) {
		tr.utmp = append(tr.utmp, shape(r))
	}
	for _, r := range records(t, wtmpFile) {
		tr.wtmp = append(tr.wtmp, shape(r))
	}
	return tr
}

var digits = regexp.MustCompile(`[0-9]+`)

// shape is a record without its figures.
func shape(r utmpx.Record) string {
	return digits.ReplaceAllString(fmt.Sprintf("%v line=%q id=%q user=%q host=%q pid=%v time=%v",
		r.Type, r.Line, r.ID, r.User, r.Host, r.PID != 0, !r.Time.IsZero()), "#")
}

// settle waits until nobody has written to utmp and wtmp for a while: owners
// write the two one after the other.
func settle(t *testing.T) {
	t.Helper()
	const quiet = 300 * time.Millisecond
	utmp, wtmp, since := readFile(t, utmpFile), readFile(t, wtmpFile), time.Now()
	waitFor(t, generous, "utmp and wtmp to settle", func() bool {
		u, w := readFile(t, utmpFile), readFile(t, wtmpFile)
		if !bytes.Equal(u, utmp) || !bytes.Equal(w, wtmp) {
			utmp, wtmp, since = u, w, time.Now()
		}
		return time.Since(since) > quiet
	})
}

// logouts counts the logouts in wtmp between the login of an entry and the next
// login on its line.
func logouts(t *testing.T, entry utmpx.Record) int {
	t.Helper()
	n, in := 0, false
	for _, r := range records(t, wtmpFile) {
		switch {
		case r.Line != entry.Line:
		case r.Type == utmpx.UserProcess:
			// The two files' times and pids of one login differ with login(1).
			in = r.User == entry.User && absDuration(r.Time.Time().Sub(entry.Time.Time())) < time.Second
		case r.Type == utmpx.DeadProcess && in:
			n++
		case r.Type == utmpx.DeadProcess:
			t.Errorf("a logout without a login: %v", r)
		}
	}
	return n
}

func absDuration(d time.Duration) time.Duration { return max(d, -d) }

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
