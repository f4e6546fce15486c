// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/utmpx"
)

func TestLogins(t *testing.T) {
	with := func(r utmpx.Record, f func(*utmpx.Record)) utmpx.Record { f(&r); return r }
	level := func(user string, pid int32) utmpx.Record {
		return utmpx.Record{Type: utmpx.RunLevel, User: user, Line: "~", PID: pid, Time: utmpx.Time{Sec: epoch + 50}}
	}
	getty := with(sess("tty1", 9), func(r *utmpx.Record) { r.Type, r.User = utmpx.LoginProcess, "LOGIN" })
	tests := []struct {
		name string
		log  []utmpx.Record
		open map[string]int32 // line: pid
		seen []string         // of pts/0, pts/1, tty1
	}{
		{"empty", nil, nil, nil},
		{"login", []utmpx.Record{sess("pts/0", 1)}, map[string]int32{"pts/0": 1001}, []string{"pts/0"}},
		{"logout", []utmpx.Record{sess("pts/0", 1), dead("pts/0", 2)}, nil, []string{"pts/0"}},
		{"next login", []utmpx.Record{sess("pts/0", 1), sess("pts/0", 2)}, map[string]int32{"pts/0": 1002}, []string{"pts/0"}},
		{"logout of another line", []utmpx.Record{sess("pts/0", 1), dead("pts/1", 2)}, map[string]int32{"pts/0": 1001}, []string{"pts/0", "pts/1"}},
		{"by offset and not by time", []utmpx.Record{sess("pts/0", 9), dead("pts/0", 3)}, nil, []string{"pts/0"}},
		{"a login without a user is a logout", []utmpx.Record{sess("pts/0", 1), with(sess("pts/0", 2), func(r *utmpx.Record) { r.User = "" })}, nil, []string{"pts/0"}},
		{"a getty closes nothing", []utmpx.Record{sess("tty1", 1), getty}, map[string]int32{"tty1": 1001}, []string{"tty1"}},
		{"boot closes all", []utmpx.Record{sess("pts/0", 1), boot(2), sess("pts/1", 3)}, map[string]int32{"pts/1": 1003}, []string{"pts/0", "pts/1", "tty1"}},
		{"shutdown closes all", []utmpx.Record{sess("pts/0", 1), level("shutdown", 0)}, nil, []string{"pts/0", "pts/1", "tty1"}},
		{"run level 6 closes all", []utmpx.Record{sess("pts/0", 1), level("runlevel", '6')}, nil, []string{"pts/0", "pts/1", "tty1"}},
		{"run level 3 does not", []utmpx.Record{sess("pts/0", 1), level("runlevel", '3'+256*'N')}, map[string]int32{"pts/0": 1001}, []string{"pts/0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				w.Write(t, "wtmp", nil)
				l := openLog(w)
				read(t, l)
				for _, r := range tt.log {
					check(t, l.file.Append(t.Context(), r))
					read(t, l)
				}
				for name, ls := range map[string]*Logins{"record by record": read(t, l), "at once": read(t, openLog(w))} {
					open, seen := map[string]int32{}, []string(nil)
					for _, line := range []string{"pts/0", "pts/1", "tty1"} {
						if last, ok := ls.On(line); ok {
							open[line] = last.PID
						}
						if ls.Mentioned(line) {
							seen = append(seen, line)
						}
					}
					if !maps.Equal(open, tt.open) || !slices.Equal(seen, tt.seen) || ls.Len() != len(tt.open) {
						t.Errorf("%s: open %v, seen %v, %d in all, want %v, %v", name, open, seen, ls.Len(), tt.open, tt.seen)
					}
				}
			})
		})
	}
}

func TestOn(t *testing.T) {
	w := simWorld{simfile.New()}
	w.Write(t, "wtmp", raw(t, layout, boot(1), sess("pts/0", 7)))
	got, _ := read(t, openLog(w)).On("pts/0")
	diff(t, "login", Login{PID: 1007, ID: "ts/0", User: "alice", Time: utmpx.Time{Sec: epoch + 7, Usec: 7}}, got)
}

// TestOpenRCBoot checks that a boot as OpenRC records it closes what was open.
func TestOpenRCBoot(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		boot := utmpx.Record{Type: utmpx.RunLevel, Line: "~~", ID: "~~", User: "reboot", Time: utmpx.Time{Sec: epoch + 500}}
		w.Write(t, "wtmp", raw(t, layout, sess("pts/0", 1), boot))
		wantOpen(t, read(t, openLog(w)), "pts/0", 0)
	})
}

// TestRotation: another file, a truncated one, and one that was truncated and filled
// again are read from the beginning. A login that was open before is still open, until
// the new file has a record of its line.
func TestRotation(t *testing.T) {
	fresh := []utmpx.Record{dead("pts/1", 7), sess("pts/9", 9)}
	many := append([]utmpx.Record{dead("a", 5), dead("b", 6), dead("c", 7)}, fresh...)
	tests := []struct {
		name   string
		change func(t *testing.T, w world)
		whole  bool // nothing was lost from sight
	}{
		{"renamed", func(t *testing.T, w world) {
			w.Rename(t, "wtmp", "wtmp.1")
			w.Write(t, "wtmp", raw(t, layout, fresh...))
		}, true},
		{"renamed, with records not yet read", func(t *testing.T, w world) {
			w.Change(t, "wtmp", func(b []byte) []byte {
				return append(b, raw(t, layout, dead("pts/2", 5), sess("pts/3", 6))...)
			})
			w.Rename(t, "wtmp", "wtmp.1")
			w.Write(t, "wtmp", raw(t, layout, append(fresh, dead("pts/3", 7))...))
		}, true},
		{"removed", func(t *testing.T, w world) { w.Write(t, "wtmp", raw(t, layout, fresh...)) }, false},
		{"cut", func(t *testing.T, w world) {
			w.Change(t, "wtmp", func([]byte) []byte { return raw(t, layout, fresh...) })
		}, false},
		{"cut and longer than before", func(t *testing.T, w world) {
			w.Change(t, "wtmp", func([]byte) []byte { return raw(t, layout, many...) })
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				w.Write(t, "wtmp", raw(t, layout, boot(0), sess("pts/0", 1), sess("pts/1", 2), sess("pts/2", 3)))
				l := openLog(w)
				read(t, l)
				tt.change(t, w)
				err := l.Append(t.Context(), func(ls *Logins) []utmpx.Record {
					wantOpen(t, ls, "pts/0", 1001)
					wantOpen(t, ls, "pts/1", 0)
					wantOpen(t, ls, "pts/3", 0)
					wantOpen(t, ls, "pts/9", 1009)
					if ls.Mentioned("pts/0") || !ls.Mentioned("pts/1") || ls.Complete() != tt.whole {
						t.Errorf("seen %v, %v, whole %v", ls.Mentioned("pts/0"), ls.Mentioned("pts/1"), ls.Complete())
					}
					return []utmpx.Record{dead("pts/0", 10), dead("pts/9", 10)}
				})
				check(t, err)
				wantOpen(t, read(t, l), "pts/0", 0)
				wantOpen(t, read(t, l), "pts/9", 0)
				got := texts(t, w, "wtmp")
				diff(t, "log's end", strs(dead("pts/0", 10), dead("pts/9", 10)), got[len(got)-2:])
			})
		})
	}
}

// TestFirstReadingGoesToTheBoot: through the files rotated away, as far as they
// can be read.
func TestFirstReadingGoesToTheBoot(t *testing.T) {
	tests := []struct {
		name  string
		files map[string][]utmpx.Record
		open  []string
		whole bool
	}{
		{"a boot in the log", map[string][]utmpx.Record{"wtmp.1": {sess("a", 1)}, "wtmp": {boot(2), sess("b", 3)}}, []string{"b"}, true},
		{"a boot in an older file", map[string][]utmpx.Record{
			"wtmp.2": {sess("a", 1), boot(2), sess("b", 3), sess("c", 4)}, "wtmp.1": {dead("c", 5), sess("d", 6)}, "wtmp": {dead("d", 7)},
		}, []string{"b"}, true},
		{"no boot, and no older file", map[string][]utmpx.Record{"wtmp": {sess("a", 1)}}, []string{"a"}, true},
		{"no boot, and older files that are compressed", map[string][]utmpx.Record{"wtmp": {sess("a", 1)}, "wtmp.1.gz": nil}, []string{"a"}, false},
		{"an older file that is none", map[string][]utmpx.Record{"wtmp": {sess("a", 1)}, "wtmp.old": {sess("b", 0)}}, []string{"a"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				for name, recs := range tt.files {
					w.Write(t, name, raw(t, layout, recs...))
					if len(recs) > 0 {
						w.SetTime(t, name, recs[len(recs)-1].Time.Time())
					}
				}
				ls := read(t, openLog(w))
				var open []string
				for _, line := range []string{"a", "b", "c", "d"} {
					if _, ok := ls.On(line); ok {
						open = append(open, line)
					}
				}
				if !slices.Equal(open, tt.open) || ls.Complete() != tt.whole {
					t.Errorf("open %v, whole %v, want %v, %v", open, ls.Complete(), tt.open, tt.whole)
				}
			})
		})
	}
}

// TestAppendSeesAll: what comes between reading and locking is seen, a
// little of it under the lock, much of it without.
func TestAppendSeesAll(t *testing.T) {
	for _, n := range []int{1, 500, 600, 2000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := simWorld{simfile.New()}
			w.Write(t, "wtmp", raw(t, layout, boot(1)))
			var once sync.Once
			held, underLock, most := false, 0, 0
			w.s.Inject(func(op simfile.Op) *simfile.Fault {
				switch op.Call {
				case simfile.TryLock:
					once.Do(func() {
						w.Change(t, "wtmp", func(b []byte) []byte {
							for i := range n {
								b = append(b, raw(t, layout, sess("pts/0", int64(i)))...)
							}
							return b
						})
					})
					held = true
				case simfile.Close:
					held = false
					most, underLock = max(most, underLock), 0
				case simfile.Read:
					if held {
						underLock += op.Len
					}
				}
				return nil
			})
			l := openLog(w)
			err := l.Append(t.Context(), func(ls *Logins) []utmpx.Record {
				last, ok := ls.On("pts/0")
				if !ok || last.PID != int32(1000+n-1) {
					t.Errorf("last is %v, %v, want pid %d", last, ok, 1000+n-1)
				}
				return []utmpx.Record{dead("pts/0", int64(n))}
			})
			check(t, err)
			if got := len(texts(t, w, "wtmp")); got != n+2 {
				t.Errorf("%d records, want %d", got, n+2)
			}
			// Those that came, the one before them, and the one just written.
			if most > 515*384 {
				t.Errorf("%d bytes were read under one lock", most)
			}
		})
	}
}

// TestAppendRace: of many who would close one login, one does.
func TestAppendRace(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "wtmp", raw(t, layout, boot(1), sess("pts/0", 2)))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				err := openLog(w).Append(t.Context(), func(ls *Logins) []utmpx.Record {
					if _, open := ls.On("pts/0"); !open {
						return nil
					}
					return []utmpx.Record{dead("pts/0", 3)}
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		diff(t, "log", strs(boot(1), sess("pts/0", 2), dead("pts/0", 3)), texts(t, w, "wtmp"))
	})
}

// TestAppendErrors: lines stays true whatever fails.
func TestAppendErrors(t *testing.T) {
	broken := errors.New("input/output error")
	for _, call := range []simfile.Call{simfile.Open, simfile.Read, simfile.TryLock, simfile.Append, simfile.Stat, simfile.Lookup} {
		for nth := range 6 {
			t.Run(fmt.Sprint(call, nth), func(t *testing.T) {
				w := simWorld{simfile.New()}
				w.Write(t, "wtmp", raw(t, layout, boot(1), sess("pts/0", 2)))
				l := openLog(w)
				left := nth
				w.s.Inject(func(op simfile.Op) *simfile.Fault {
					if op.Call == call {
						if left--; left == -1 {
							return &simfile.Fault{N: 17, Err: broken}
						}
					}
					return nil
				})
				end := func(ls *Logins) []utmpx.Record {
					if _, open := ls.On("pts/0"); !open {
						return nil
					}
					return []utmpx.Record{dead("pts/0", 3)}
				}
				err := l.Append(context.Background(), end)
				if err != nil && !errors.Is(err, broken) {
					t.Errorf("Append: %v", err)
				}
				w.s.Inject(nil)
				check(t, l.Append(context.Background(), end))
				diff(t, "log", strs(boot(1), sess("pts/0", 2), dead("pts/0", 3)), texts(t, w, "wtmp"))
				if n := w.s.OpenHandles(); n != 0 {
					t.Errorf("%d handles are left open", n)
				}
			})
		}
	}
}

// TestLinesAreBounded: a log with a new line in each record.
func TestLinesAreBounded(t *testing.T) {
	w := simWorld{simfile.New()}
	var data []byte
	for i := range 70_000 {
		data = append(data, raw(t, layout, sess(fmt.Sprint("vsftpd:", i), 1))...)
	}
	w.Write(t, "wtmp", data)
	ls := read(t, openLog(w))
	if ls.Len() != 1<<16 {
		t.Errorf("%d lines are kept", ls.Len())
	}
	if !ls.Mentioned("never seen") {
		t.Error("Mentioned is false although not all lines are known")
	}
}
