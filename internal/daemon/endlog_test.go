// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// ended reports the end of a session to s: of one that was seen to live, or found dead.
func ended(s *logSink, user, line string, pid int, seen bool) {
	j := session.Job{Record: utmpx.Record{User: user, Line: line, PID: int32(pid), Time: utmpx.TimeOf(time.Now())}}
	if !seen {
		j.After = j.Record.Time.Time()
	}
	s.report(session.Ended{Job: j})
}

// TestEndsAreFair reports floods of made-up sessions, and real ones after them. Those have
// their lines, the log is bounded, and the sums lose no count.
func TestEndsAreFair(t *testing.T) {
	const many = 65000
	for _, tt := range []struct {
		name  string
		flood func(s *logSink)
		most  int // lines
		count int // of the flood
	}{
		{"records without a process, of made-up users", func(s *logSink) {
			for i := range many {
				ended(s, fmt.Sprint("x", i), fmt.Sprint("x/", i), i, false)
			}
		}, endsFound, many},
		{"of one user", func(s *logSink) {
			for i := range many {
				ended(s, "alice", fmt.Sprint("x/", i), i, false)
			}
		}, endsAccount, many},
		{"of one line", func(s *logSink) {
			for i := range many {
				ended(s, fmt.Sprint("x", i), "x/0", i, false)
			}
		}, endsLine, many},
		{"of another user, on the lines of the real ones, who were there before", func(s *logSink) {
			ended(s, "alice", "x/0", 1, true)
			ended(s, "bob", "x/1", 2, false)
			for i := range many {
				ended(s, "user1", fmt.Sprint("pts/", i%2), i, true)
				ended(s, "user1", fmt.Sprint("pts/", i%2), i, false)
			}
		}, 4*endsLine + 4, 2*many + 2},
		{"all of one living process", func(s *logSink) {
			for i := range many {
				ended(s, fmt.Sprint("x", i), fmt.Sprint("x/", i), 7, true)
			}
		}, endsProcess, many},
		{"of other users, with the process of a real one, who was there before", func(s *logSink) {
			ended(s, "alice", "x/0", 1, true)
			for i := range many {
				ended(s, fmt.Sprint("user", i%10), fmt.Sprint("x/", i), 1<<20, true)
			}
		}, 10*endsProcess + 2, many + 1},
		{"each with a process", func(s *logSink) {
			for i := range many {
				ended(s, fmt.Sprint("x", i), fmt.Sprint("x/", i), i, true)
			}
		}, endsSeen, many},
		{"of all users", func(s *logSink) {
			for i := range many {
				ended(s, fmt.Sprint("user", i%3000), fmt.Sprint("x/", i), i, true)
			}
		}, endsSeen, many},
		{"nothing", func(*logSink) {}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out lockedBuffer
				s := newLogSink(slog.New(slog.NewTextHandler(&out, nil)))
				s.ends.accounts = func() map[string]bool {
					all := map[string]bool{"alice": true, "bob": true}
					for i := range 3000 {
						all[fmt.Sprint("user", i)] = true
					}
					return all
				}
				tt.flood(s)
				ended(s, "alice", "pts/0", 1<<20, true)
				ended(s, "bob", "pts/1", 1<<21, false)
				time.Sleep(sumDelay + time.Second)
				tt.flood(s)
				s.close()
				text := out.String()
				for _, line := range []string{"pts/0", "pts/1"} {
					if n := strings.Count(text, "line="+line+" user=alice ") + strings.Count(text, "line="+line+" user=bob "); n != 1 {
						t.Errorf("the real session on %s has no line", line)
					}
				}
				lines, summed := 0, 0
				for line := range strings.Lines(text) {
					if n := 0; strings.Contains(line, "more than are logged") {
						fmt.Sscanf(line[strings.Index(line, "sessions="):], "sessions=%d", &n)
						summed += n
					} else {
						lines++
					}
				}
				if lines > tt.most+2 {
					t.Errorf("%d lines, want at most %d", lines, tt.most+2)
				}
				if got := lines + summed; got != 2*tt.count+2 {
					t.Errorf("%d lines and %d in sums are %d of %d", lines, summed, got, 2*tt.count+2)
				}
				if strings.Count(text, "\n") > lines+8 {
					t.Errorf("%d sums", strings.Count(text, "\n")-lines)
				}
			})
		})
	}
}

// TestMassLogout: 3000 users are gone at once, and each has a line.
func TestMassLogout(t *testing.T) {
	for _, known := range []bool{true, false} { // users of a directory are not in /etc/passwd
		var out lockedBuffer
		s := newLogSink(slog.New(slog.NewTextHandler(&out, nil)))
		s.ends.accounts = func() map[string]bool {
			all := make(map[string]bool)
			for i := range 3000 {
				all[fmt.Sprint("user", i)] = known
			}
			return all
		}
		for i := range 3000 {
			ended(s, fmt.Sprint("user", i), fmt.Sprint("pts/", i), 1000+i, true)
		}
		s.close()
		if n := strings.Count(out.String(), "\n"); n != 3000 {
			t.Errorf("%d lines", n)
		}
	}
}

// TestEndsSum says whose sessions were left out.
func TestEndsSum(t *testing.T) {
	var out lockedBuffer
	s := newLogSink(slog.New(slog.NewTextHandler(&out, nil)))
	s.ends.accounts = func() map[string]bool { return nil }
	for i := range 30 {
		ended(s, "mallory", fmt.Sprint("x/", i), i, false)
	}
	for i := range 15 {
		ended(s, "eve\n", fmt.Sprint("y/", i), i, false)
	}
	s.close()
	if want := `msg="session ended: more than are logged one by one" sessions=25 users="mallory 20, eve\n 5" kind="found dead, users not in /etc/passwd"`; !strings.Contains(out.String(), want) {
		t.Errorf("%s\nhas not: %s", out.String(), want)
	}
}

// TestEndsKeepNoFile: what the log of ends remembers for an hour must not share the memory of
// the record, which is that of a part of the utmpx file.
func TestEndsKeepNoFile(t *testing.T) {
	l := newEndLog(slog.New(slog.DiscardHandler), boundsOfEnds)
	l.accounts = func() map[string]bool { return map[string]bool{"alice": true} }
	defer l.close()
	part := strings.Clone("alice mallory pts/1 ")
	within := func(s string) bool {
		at, from := uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(unsafe.Pointer(unsafe.StringData(part)))
		return from <= at && at < from+uintptr(len(part))
	}
	for _, user := range []string{part[:5], part[6:13]} {
		for range endsLine + 2 { // some are left to the sum
			l.take("session ended", utmpx.Record{User: user, Line: part[14:19], PID: 7}, true)
		}
	}
	for kind, e := range l.kinds {
		for at := range e.ofLine {
			if within(at.line) || within(at.account) {
				t.Errorf("%v: %q and %q share the record's memory", kind, at.line, at.account)
			}
		}
		for _, users := range []map[string]int{e.ofUser, e.whose} {
			for user := range users {
				if within(user) {
					t.Errorf("%v: the user %q shares the record's memory", kind, user)
				}
			}
		}
	}
}
