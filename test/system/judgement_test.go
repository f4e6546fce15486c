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

// judge tests one way of ending a session in one cell of the table.
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
	findsNothing(t)
}

// outlivedShell ends a session that outlived its ut_pid.
var outlivedShell = kill("its shell", shell)

// mustEnd ends the session so that its entry is left to utmpd. It checks what utmpd
// must do: who omits the session in time, last shows its end, and wtmp has one
// logout.
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

	waitFor(t, generous, "who to stop showing the session", func() bool { return !whoShows(t, s.entry.Line) })
	took := time.Since(died.to)
	report("%.2fs", took.Seconds())
	switch {
	case took > grace+slow:
		t.Errorf("who showed the session for %v after its end, want at most %v", took, grace+slow)
	case took < grace/2 && w.name != outlivedShell.name:
		t.Errorf("who showed the session for only %v: its owner cleaned it, so this way leaves no entry", took)
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

// checkLast checks how last shows the session.
func (p *program) checkLast(t *testing.T, s *session, died death) {
	t.Helper()
	for _, v := range last(t) {
		if v.line != s.entry.Line {
			continue
		}
		if p.unlogged {
			t.Errorf("last shows a login that the program did not record: %s", v.text)
			return
		}
		if v.user != s.entry.User || v.end.IsZero() {
			t.Errorf("last shows: %s", v.text)
			return
		}
		within(t, "last's end", v.end, died)
		return
	}
	if !p.unlogged {
		t.Error("last does not show the session")
	}
}

// death is a time of death, known to lie between two moments.
type death struct{ from, to time.Time }

// within checks that a time, which may be truncated to seconds, is the time of
// death to within a second.
func within(t *testing.T, what string, at time.Time, died death) {
	t.Helper()
	if at.Before(died.from.Truncate(time.Second).Add(-time.Second)) || at.After(died.to.Add(time.Second)) {
		t.Errorf("%s is %v; it died between %v and %v", what, at.UTC(), died.from.UTC(), died.to.UTC())
	}
}

// mustOutlive kills ut_pid and checks that utmpd leaves the session alone.
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
			t.Errorf("last shows an end of the living session: %s", v.text)
		}
	}
	d.waitLog(t, "session left alone", "line="+s.entry.Line, fmt.Sprintf("pid=%d", s.entry.PID))
	if n := strings.Count(d.logged(), "session left alone"); n != 1 {
		t.Errorf("the log says %d times that the session was left alone", n)
	}
	s.tm.ready(t)
}

// judgeEnded ends one session without utmpd and another with it, in the same way,
// and compares what they leave.
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

// trace is what a session left: its records without the fields that differ between
// runs, and their bytes.
type trace struct {
	entry            utmpx.Record
	utmp, wtmp       []string
	rawUtmp, rawWtmp []byte
}

// run logs in, ends the session, and returns what it left. marked says that the
// entry will be marked.
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

// shape returns a record without its numbers.
func shape(r utmpx.Record) string {
	return digits.ReplaceAllString(fmt.Sprintf("%v line=%q id=%q user=%q host=%q pid=%v time=%v",
		r.Type, r.Line, r.ID, r.User, r.Host, r.PID != 0, !r.Time.IsZero()), "#")
}

// settle waits until utmp and wtmp have not changed for a while, because owners
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
			// login(1) writes different times and pids to the two files.
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
