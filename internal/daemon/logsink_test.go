// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// TestLogSink: the manual page and scripts know these lines.
func TestLogSink(t *testing.T) {
	login := time.Date(2026, 11, 28, 2, 0, 0, 0, time.UTC)
	end, after := login.Add(time.Minute), login.Add(time.Second)
	r := utmpx.Record{Line: "pts/0", User: "alice", Host: "desk", PID: 7, Time: utmpx.TimeOf(login)}
	at := func(at time.Time) string { return formatTime(at.Local()) }
	who := "line=pts/0 user=alice host=desk pid=7 login=" + at(login)
	status := session.Status{Known: true, Wait: 3 << 8}
	tests := []struct {
		name   string
		report session.Report
		want   string
	}{
		{"watching", session.Watching{Record: r}, `level=DEBUG msg="session watched" ` + who},
		{"dying", session.Dying{Record: r, End: end.Local()}, `level=DEBUG msg="process ended: its owner has GRACE_PERIOD to clean" ` + who + " end=" + at(end)},
		{"ended", session.Ended{Job: session.Job{Record: r, End: end.Local(), Status: status}, Logout: session.Appended},
			`level=INFO msg="session ended" ` + who + " end=" + at(end) + ` exit="exit 3" logout=written`},
		{"ended, found dead", session.Ended{Job: session.Job{Record: r, End: end.Local(), After: after.Local(), Found: "gone"}, Logout: session.Closed},
			`level=INFO msg="session ended" ` + who + " end=" + at(end) + ` exit=unknown "alive until"=` + at(after) + ` found=gone logout="login not open"`},
		{"would end", session.WouldEnd{Job: session.Job{Record: r, End: end.Local()}}, `level=INFO msg="session would be ended (-n)" ` + who + " end=" + at(end) + " exit=unknown logout=none"},
		{"would end with a logout", session.WouldEnd{Job: session.Job{Record: r, End: end.Local()}, Logout: session.Appended}, `level=INFO msg="session would be ended (-n)" ` + who + " end=" + at(end) + ` exit=unknown logout="would be written"`},
		{"left alone", session.LeftAlone{Record: r, Reason: "no pid"}, `level=INFO msg="session left alone" ` + who + ` reason="no pid"`},
		{"ended by its owner", session.EndedByOwner{Record: r}, `level=DEBUG msg="session ended by its owner" ` + who},
		{"unwatched", session.Unwatched{Sessions: 2}, `level=WARN msg="some sessions are not watched, only checked at each scan: MAX_FDS or the limit of open files is too small" sessions=2`},
		{"watched again", session.Unwatched{}, `level=INFO msg="every session is watched"`},
		{"delayed", session.Delayed{Sessions: 3, Err: errors.New("no space")}, `level=WARN msg="cleaning waits" sessions=3 error="no space"`},
		{"paid", session.DebtsPaid{Logouts: 4}, `level=INFO msg="pending logouts are written to the wtmpx file" logouts=4`},
		{"paid, and some were closed", session.DebtsPaid{Logouts: 4, Closed: 2}, `level=INFO msg="pending logouts are written to the wtmpx file" logouts=4 "not open"=2`},
		{"owed for nothing", session.DebtsPaid{Closed: 2}, `level=INFO msg="pending logouts are not needed: the logins are not open" logouts=2`},
		{"lost", session.DebtLost{Debt: session.Debt{Login: r, End: end.Local(), Status: status}},
			`level=ERROR msg="a logout is lost: too many wait for the wtmpx file" ` + who + " end=" + at(end) + ` exit="exit 3"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			s := newLogSink(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
			defer s.close()
			s.report(tt.report)
			_, got, _ := strings.Cut(strings.TrimSpace(out.String()), " ") // the time
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// TestLeftAloneIsBounded: a file full of records that are left alone does not
// fill the log, which says how many lines it leaves out.
func TestLeftAloneIsBounded(t *testing.T) {
	var out bytes.Buffer
	p := newLogSink(slog.New(slog.NewTextHandler(&out, nil)))
	for i := range 1000 {
		p.report(session.LeftAlone{Record: utmpx.Record{Line: "pts/0", PID: int32(i)}, Reason: "its record names no process"})
	}
	p.report(session.Ended{Job: session.Job{Record: utmpx.Record{Line: "pts/1"}}})
	p.close()
	if got := strings.Count(out.String(), "\n"); got != leftNobody+2 {
		t.Errorf("%d lines", got)
	}
	for _, want := range []string{"one by one\" sessions=990", `"session ended"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing with %s", want)
		}
	}
}

// TestLogSinkBounds logs what changes to and fro, and records that are left alone again
// and again.
func TestLogSinkBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer // timers log too
		s := newLogSink(slog.New(slog.NewTextHandler(&out, nil)))
		defer s.close()
		lines := func(text string) int {
			synctest.Wait()
			return strings.Count(out.String(), text)
		}
		for range 100 {
			s.report(session.LeftAlone{Record: utmpx.Record{Line: "pts/0"}})
			s.report(session.Unwatched{Sessions: 1})
			s.report(session.Unwatched{})
			time.Sleep(20 * time.Second)
		}
		if n := lines("line=pts/0 "); n != leftOften {
			t.Errorf("%d lines of one line in an hour, want %d", n, leftOften)
		}
		if n := lines("is watched") + lines("not watched"); n != 2*toggleMost {
			t.Errorf("%d lines of what is watched in an hour, want %d", n, 2*toggleMost)
		}
		for i := range 200 {
			s.report(session.LeftAlone{Record: utmpx.Record{Line: fmt.Sprintf("pts/%d", i+1), User: fmt.Sprint(i)}})
		}
		if n := lines("session left alone"); n != leftMost {
			t.Errorf("%d lines of records left alone in an hour, want %d", n, leftMost)
		}
		time.Sleep(hourPeriod + time.Second)
		s.report(session.LeftAlone{Record: utmpx.Record{Line: "pts/0"}})
		if n := lines("line=pts/0 "); n != leftOften+1 {
			t.Error("nothing is logged in the next hour")
		}
	})
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestLeftAloneIsFair: floods of made-up records that are left alone, with the names of
// users and lines of the real ones too, take no line from those of real ones.
func TestLeftAloneIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		s := newLogSink(slog.New(slog.NewTextHandler(&out, nil)))
		s.left.accounts = func() map[string]bool { return map[string]bool{"alice": true, "bob": true} }
		left := func(user, line string, pid int, seen bool) {
			s.report(session.LeftAlone{Record: utmpx.Record{User: user, Line: line, PID: int32(pid)}, Reason: "it leads through a link", Seen: seen})
		}
		const many = 10000
		for i := range many {
			left(fmt.Sprint("x", i), fmt.Sprint("shm/", i), i, false)
			left("alice", "pts/0", i, false)
			left("mallory", "pts/0", i, true)
		}
		left("alice", "pts/0", 1<<20, true)
		left("bob", "pts/0", 1<<21, false)
		s.close()
		for _, real := range []string{`line=pts/0 user=alice pid=1048576 `, `line=pts/0 user=bob `} {
			if !strings.Contains(out.String(), real) {
				t.Errorf("nothing of %s", real)
			}
		}
		lines, summed := 0, 0
		for line := range strings.Lines(out.String()) {
			if n := 0; strings.Contains(line, "more than are logged") {
				fmt.Sscanf(line[strings.Index(line, "sessions="):], "sessions=%d", &n)
				summed += n
			} else {
				lines++
			}
		}
		if lines > 4*leftMost || lines+summed != 3*many+2 {
			t.Errorf("%d lines and %d in sums of %d", lines, summed, 3*many+2)
		}
	})
}

// TestHoldersOfAllUsersAreNamed: one who holds a lock on and off for hours takes no line from
// another who does.
func TestHoldersOfAllUsersAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		s := newLogSink(slog.New(slog.NewTextHandler(&out, nil)))
		defer s.close()
		for range 1000 {
			s.report(session.Delayed{Sessions: 1, Err: &recfile.LockedError{Name: "/wtmp", PID: 1<<31 - 1}}) // whose user is unknown
			time.Sleep(10 * time.Second)
		}
		s.report(session.Delayed{Sessions: 1, Err: &recfile.LockedError{Name: "/wtmp", PID: int32(os.Getpid())}})
		if want := fmt.Sprintf("holder=%d", os.Getpid()); !strings.Contains(out.String(), want) {
			t.Errorf("nothing with %s", want)
		}
	})
}
