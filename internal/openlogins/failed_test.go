// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/utmpx"
)

// compress returns data as gzip writes it.
func compress(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(data)
	check(t, err)
	check(t, z.Close())
	return b.Bytes()
}

// rotations returns the ways in which a log is rotated. The records pending come
// before the rotation and were not read; the records fresh come after it.
func rotations(t *testing.T, pending, fresh []utmpx.Record) []rotation {
	end := func(w simWorld) {
		w.Change(t, "wtmp", func(b []byte) []byte { return append(b, raw(t, layout, pending...)...) })
	}
	cut := func(w simWorld) {
		w.Change(t, "wtmp", func([]byte) []byte { return raw(t, layout, fresh...) })
	}
	return []rotation{
		{"not rotated", true, func(w simWorld) {
			end(w)
			w.Change(t, "wtmp", func(b []byte) []byte { return append(b, raw(t, layout, fresh...)...) })
		}},
		{"renamed", true, func(w simWorld) {
			end(w)
			w.Rename(t, "wtmp.1", "wtmp.2")
			w.Rename(t, "wtmp", "wtmp.1")
			w.Write(t, "wtmp", raw(t, layout, fresh...))
		}},
		{"renamed twice", true, func(w simWorld) {
			end(w)
			w.Rename(t, "wtmp.1", "wtmp.3")
			w.Rename(t, "wtmp", "wtmp.2")
			w.Write(t, "wtmp.1", raw(t, layout, fresh[:1]...))
			w.Write(t, "wtmp", raw(t, layout, fresh[1:]...))
		}},
		{"copied and truncated", true, func(w simWorld) {
			end(w)
			w.Rename(t, "wtmp.1", "wtmp.2")
			w.Write(t, "wtmp.1", w.Read(t, "wtmp"))
			cut(w)
		}},
		{"compressed", true, func(w simWorld) {
			end(w)
			w.Rename(t, "wtmp.1", "wtmp.2")
			w.Write(t, "wtmp.1.gz", compress(t, w.Read(t, "wtmp")))
			w.Write(t, "wtmp", raw(t, layout, fresh...))
		}},
		{"gone", false, func(w simWorld) { w.Write(t, "wtmp", raw(t, layout, fresh...)) }},
		{"truncated", false, cut},
	}
}

type rotation struct {
	name   string
	all    bool // no record is lost
	rotate func(w simWorld)
}

// seen is what a test sees of the logins.
func seen(l *Logins) string {
	s := fmt.Sprintf("complete %v", l.Complete())
	for _, line := range []string{"older", "closed", "old", "pending", "new", "next", "nothing"} {
		login, open := l.On(line)
		at := utmpx.Time{Sec: epoch + 6}
		s += fmt.Sprintf("\n%s: open %v, pid %d, mentioned %v, may be open %v", line, open, login.PID, l.Mentioned(line), l.MayBeOpen(line, at))
	}
	return s
}

// TestFailedOnce has each call fail once, in each way of rotation, and at the
// first reading. Then the reading has the result of one that nothing disturbed, or
// fails; then what was known before stays, and the next reading is right.
func TestFailedOnce(t *testing.T) {
	pending := []utmpx.Record{dead("closed", 6), sess("pending", 7)}
	fresh := []utmpx.Record{sess("new", 8), sess("next", 9)}
	for _, r := range rotations(t, pending, fresh) {
		for _, before := range []bool{true, false} {
			// run returns what two readings saw, if the call k fails in the first one.
			run := func(t *testing.T, k int) (was, first, second string, failed bool) {
				w := simWorld{simfile.New()}
				w.Write(t, "wtmp.1", raw(t, layout, sess("long ago", 1), boot(2), sess("older", 3)))
				w.Write(t, "wtmp", raw(t, layout, sess("closed", 4), sess("old", 5)))
				l := openLog(w)
				if before {
					was = seen(read(t, l))
				}
				r.rotate(w)
				w.s.Inject(func(op simfile.Op) *simfile.Fault {
					if op.Call == simfile.Close {
						return nil
					}
					if k--; k == -1 {
						return &simfile.Fault{Err: syscall.EIO}
					}
					return nil
				})
				logins, err := l.Read(t.Context())
				w.s.Inject(nil)
				switch {
				case err == nil:
					first = seen(logins)
				case l.now != nil:
					was = seen(l.now.Logins)
				}
				if n := w.s.OpenHandles(); n != 0 {
					t.Errorf("%d handles are left open", n)
				}
				return was, first, seen(read(t, l)), k < 0
			}
			t.Run(fmt.Sprintf("%s, read before: %v", r.name, before), func(t *testing.T) {
				was, want, again, _ := run(t, -2)
				diff(t, "a second reading", want, again)
				calls := 0
				for {
					kept, first, second, failed := run(t, calls)
					if !failed {
						break
					}
					if first != "" {
						diff(t, fmt.Sprintf("call %d failed", calls), want, first)
					} else if r.name != "not rotated" {
						diff(t, fmt.Sprintf("call %d failed: known before", calls), was, kept)
					}
					diff(t, fmt.Sprintf("call %d failed: the next reading", calls), want, second)
					calls++
				}
				if calls < 4 {
					t.Errorf("only %d calls", calls)
				}
			})
		}
	}
}

// TestRotations checks which logins are open after each way of rotation.
func TestRotations(t *testing.T) {
	pending := []utmpx.Record{dead("closed", 6), sess("pending", 7)}
	fresh := []utmpx.Record{sess("new", 8), sess("next", 9)}
	for _, r := range rotations(t, pending, fresh) {
		t.Run(r.name, func(t *testing.T) {
			w := simWorld{simfile.New()}
			w.Write(t, "wtmp.1", raw(t, layout, sess("long ago", 1), boot(2), sess("older", 3)))
			w.Write(t, "wtmp", raw(t, layout, sess("closed", 4), sess("old", 5)))
			l := openLog(w)
			read(t, l)
			r.rotate(w)
			logins := read(t, l)
			for line, pid := range map[string]int32{"older": 1003, "old": 1005, "new": 1008, "next": 1009} {
				wantOpen(t, logins, line, pid)
			}
			if r.all {
				wantOpen(t, logins, "closed", 0)
				wantOpen(t, logins, "pending", 1007)
			}
			if logins.Complete() != r.all {
				t.Errorf("complete: %v", logins.Complete())
			}
		})
	}
}

// TestLostFile removes the log with a login that was read. Older files, whose
// records came before it, do not close it.
func TestLostFile(t *testing.T) {
	w := simWorld{simfile.New()}
	w.Write(t, "wtmp.1", raw(t, layout, sess("pts/0", 1), dead("pts/0", 2)))
	w.Write(t, "wtmp", raw(t, layout, sess("pts/0", 3)))
	l := openLog(w)
	read(t, l)
	w.Rename(t, "wtmp.1", "wtmp.2")
	w.Write(t, "wtmp", raw(t, layout, sess("new", 4)))
	wantOpen(t, read(t, l), "pts/0", 1003)
}

// TestCompressedHistory reads a compressed file back to its last boot.
func TestCompressedHistory(t *testing.T) {
	w := simWorld{simfile.New()}
	w.Write(t, "wtmp.2.gz", compress(t, raw(t, layout, sess("long ago", 1))))
	w.Write(t, "wtmp.1.gz", compress(t, raw(t, layout, sess("before", 2), boot(3), sess("older", 4), sess("closed", 5))))
	w.Write(t, "wtmp", raw(t, layout, dead("closed", 6)))
	logins := read(t, openLog(w))
	for line, pid := range map[string]int32{"long ago": 0, "before": 0, "older": 1004, "closed": 0} {
		wantOpen(t, logins, line, pid)
	}
	if !logins.Complete() {
		t.Error("not complete, although all files could be read")
	}
}

// TestHistoryIsBounded checks that a line is not taken for open if records of it
// may be beyond the bound.
func TestHistoryIsBounded(t *testing.T) {
	var recs []utmpx.Record
	for n := range 1024 {
		recs = append(recs, sess(fmt.Sprint("pts/", n), int64(n)))
	}
	history := slices.Concat([]utmpx.Record{sess("pts/old", -1)}, recs)
	tests := []struct {
		name    string
		write   func(w simWorld)
		history int
		old     bool // the first login is known
	}{
		{"all in one file", func(w simWorld) { w.Write(t, "wtmp", raw(t, layout, history...)) }, len(history), true},
		{"a part of one file", func(w simWorld) { w.Write(t, "wtmp", raw(t, layout, history...)) }, 100, false},
		{"all in two files", func(w simWorld) {
			w.Write(t, "wtmp.1", raw(t, layout, history[:500]...))
			w.Write(t, "wtmp", raw(t, layout, history[500:]...))
		}, len(history), true},
		{"a part of two files", func(w simWorld) {
			w.Write(t, "wtmp.1", raw(t, layout, history[:500]...))
			w.Write(t, "wtmp", raw(t, layout, history[500:]...))
		}, 600, false},
		{"all, compressed", func(w simWorld) {
			w.Write(t, "wtmp.1.gz", compress(t, raw(t, layout, history[:500]...)))
			w.Write(t, "wtmp", raw(t, layout, history[500:]...))
		}, len(history), true},
		{"a part, compressed", func(w simWorld) {
			w.Write(t, "wtmp.1.gz", compress(t, raw(t, layout, history[:500]...)))
			w.Write(t, "wtmp", raw(t, layout, history[500:]...))
		}, len(history) - 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := simWorld{simfile.New()}
			tt.write(w)
			l := openLog(w)
			l.history = tt.history
			logins := read(t, l)
			wantOpen(t, logins, "pts/1023", 1000+1023)
			if _, open := logins.On("pts/old"); open != tt.old || logins.Complete() != tt.old {
				t.Errorf("the first login is open: %v, complete: %v", open, logins.Complete())
			}
			if logins.MayBeOpen("pts/old", sess("", -1).Time) || !tt.old && !logins.Mentioned("pts/old") {
				t.Error("a line whose records may be beyond the bound may be open")
			}
		})
	}
}

// TestMayBeOpen checks that a login may be open only in a gap.
func TestMayBeOpen(t *testing.T) {
	l := newLogins()
	for _, r := range []utmpx.Record{boot(1), sess("before", 10), dead("before", 20)} {
		l.add(r)
	}
	l.skip()
	for _, r := range []utmpx.Record{sess("after", 40), dead("after", 41)} {
		l.add(r)
	}
	tests := []struct {
		name string
		line string
		at   int64
		want bool
	}{
		{"in the gap", "other", 30, true},
		{"in the gap, on a line known before it", "before", 30, true},
		{"in the gap, on a line known after it", "after", 30, false},
		{"before the gap", "before", 15, false},
		{"with the last record before the gap", "before", 20, false},
		{"with the first record after the gap", "other", 40, false},
		{"after the gap", "other", 50, false},
		{"without a time", "other", -epoch, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := l.MayBeOpen(tt.line, utmpx.Time{Sec: epoch + tt.at}); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
	t.Run("a boot ends it", func(t *testing.T) {
		l.add(boot(60))
		if l.MayBeOpen("other", utmpx.Time{Sec: epoch + 30}) || !l.Complete() {
			t.Error("a login before the boot may be open")
		}
	})
}
