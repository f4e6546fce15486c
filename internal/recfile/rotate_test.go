// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/utmpx"
)

// collect returns the lines' names and, for each error, its text's kind.
func collect(t *testing.T, seq func(func(recfile.Entry, error) bool)) []string {
	t.Helper()
	var got []string
	for e, err := range seq {
		switch {
		case errors.Is(err, recfile.ErrMarkLost):
			got = append(got, "LOST")
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, e.Line)
		}
	}
	return got
}

func TestFrom(t *testing.T) {
	put := func(t *testing.T, w world, name string, day int, lines ...string) {
		var recs []utmpx.Record
		for _, l := range lines {
			recs = append(recs, sess(l, int64(day)*86400))
		}
		w.Write(t, name, raw(t, layout, recs...))
		w.SetTime(t, name, time.Unix(epoch+int64(day)*86400, 0))
	}
	tests := []struct {
		name   string
		change func(t *testing.T, w world)
		want   []string
	}{
		{"nothing new", func(*testing.T, world) {}, nil},
		{"appended", func(t *testing.T, w world) {
			w.Change(t, "wtmp", func(b []byte) []byte { return append(b, raw(t, layout, sess("c", 3), sess("d", 4))...) })
		}, []string{"c", "d"}},
		{"rotated by number", func(t *testing.T, w world) {
			w.Change(t, "wtmp", func(b []byte) []byte { return append(b, raw(t, layout, sess("c", 3))...) })
			w.Rename(t, "wtmp", "wtmp.1")
			w.SetTime(t, "wtmp.1", time.Unix(epoch, 0))
			put(t, w, "wtmp.2", -1, "older")
			put(t, w, "wtmp", 1, "new")
		}, []string{"c", "new"}},
		{"rotated twice, by date", func(t *testing.T, w world) {
			w.Rename(t, "wtmp", "wtmp-20260601")
			w.SetTime(t, "wtmp-20260601", time.Unix(epoch, 0))
			put(t, w, "wtmp-20260701", 30, "between")
			put(t, w, "wtmp-20260501", -30, "older")
			put(t, w, "wtmp.gz", 10, "compressed")
			put(t, w, "wtmpx.1", 10, "another log")
			put(t, w, "wtmp", 60, "new")
		}, []string{"between", "new"}},
		{"rotated twice within a clock tick", func(t *testing.T, w world) {
			w.Rename(t, "wtmp", "wtmp.2")
			w.SetTime(t, "wtmp.2", time.Unix(epoch, 0))
			put(t, w, "wtmp.1", 0, "between")
			put(t, w, "wtmp", 0, "new")
		}, []string{"between", "new"}},
		{"gone", func(t *testing.T, w world) {
			w.Rename(t, "wtmp", "elsewhere")
			put(t, w, "wtmp", 1, "new")
		}, []string{"LOST", "new"}},
		{"cut", func(t *testing.T, w world) {
			w.Change(t, "wtmp", func([]byte) []byte { return raw(t, layout, sess("new", 9)) })
		}, []string{"LOST", "new"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				put(t, w, "wtmp", 0, "a", "b")
				l := openLog(w)
				m, err := l.Mark()
				check(t, err)
				tt.change(t, w)
				diff(t, "read on", tt.want, collect(t, l.From(m)))
			})
		})
	}
}

func TestSince(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		at := func(line string, n int64) []byte { return raw(t, layout, sess(line, n)) }
		w.Write(t, "wtmp.2", at("too old", 10))
		w.SetTime(t, "wtmp.2", time.Unix(epoch+10, 0))
		w.Write(t, "wtmp.1", slices.Concat(at("old", 20), at("rotated", 100)))
		w.SetTime(t, "wtmp.1", time.Unix(epoch+100, 0))
		present := slices.Concat(at("late", 110), at("clock set back", 50), at("later", 120))
		for range 1200 {
			present = append(present, at("filler", 130)...)
		}
		w.Write(t, "wtmp", present)
		l := openLog(w)
		got := collect(t, l.Since(time.Unix(epoch+100, 0)))
		diff(t, "records", []string{"rotated", "late", "later", "filler"}, slices.Compact(got))
		if len(got) != 1203 {
			t.Errorf("%d records, want 1203", len(got))
		}
		if got := collect(t, l.Since(time.Unix(epoch+131, 0))); len(got) != 0 {
			t.Errorf("%d records of the future", len(got))
		}
		for range l.Since(time.Unix(epoch, 0)) {
			break
		}
	})
}

// TestFromRotatedMeanwhile has the log rotated before any call of a reading that
// goes on from a mark: each record comes once, in its order.
func TestFromRotatedMeanwhile(t *testing.T) {
	for nth := 0; ; nth++ {
		w := simWorld{simfile.New()}
		w.Write(t, "wtmp.2", raw(t, layout, sess("oldest", 1)))
		w.Write(t, "wtmp.1", raw(t, layout, sess("read", 2), sess("a", 3)))
		w.Write(t, "wtmp", raw(t, layout, sess("b", 4), sess("c", 5)))
		l := openLog(w)
		info, err := w.s.Lookup(w.Path("wtmp.1"))
		check(t, err)
		left := nth
		w.s.Inject(func(simfile.Op) *simfile.Fault {
			if left--; left == -1 {
				w.Rename(t, "wtmp.2", "wtmp.3")
				w.Rename(t, "wtmp.1", "wtmp.2")
				w.Rename(t, "wtmp", "wtmp.1")
				w.Write(t, "wtmp", raw(t, layout, sess("d", 6)))
			}
			return nil
		})
		got := collect(t, l.From(recfile.Mark{Generation: info.Generation, Offset: int64(layout.Size())}))
		if left >= 0 { // it never came to that
			break
		}
		if slices.Equal(got, []string{"a", "b", "c"}) { // the present file when it was opened
			continue
		}
		diff(t, fmt.Sprintf("rotated before call %d", nth), []string{"a", "b", "c", "d"}, got)
	}
}
