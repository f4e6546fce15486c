// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/logs"
)

// reusing is openLog, with one block of memory for all records.
func reusing(w world) *logs.Log {
	return logs.New(w.Path("wtmp"), logs.Options{System: w.System(), Layout: layout, Reuse: true})
}

// TestReuse: with one block of memory for all records, a log reads as without: its
// records, their positions, damage, and what follows a position.
func TestReuse(t *testing.T) {
	const n = 6000 // more blocks than are read at once
	both(t, func(t *testing.T, w world) {
		var all [3][]string
		for i := range n {
			for k := range all {
				all[k] = append(all[k], fmt.Sprint("l", n*k+i+10))
			}
		}
		putAs(t, w, "wtmp.2.gz", "gz", all[0]...)
		put(t, w, "wtmp.1", all[1]...)
		put(t, w, "wtmp", all[2][:700]...)
		w.Append(t, "wtmp", []byte(strings.Repeat("\xff", 500)))
		add(t, w, "wtmp", all[2][700:]...)
		var middle logs.Position
		for e := range openLog(w).Forward(t.Context()) {
			if e.Line == all[2][600] {
				middle = e.Position()
			}
		}
		for name, read := range map[string]func(*logs.Log) iter.Seq2[logs.Entry, error]{
			"from the start":  func(l *logs.Log) iter.Seq2[logs.Entry, error] { return l.From(t.Context(), logs.Position{}) },
			"from a position": func(l *logs.Log) iter.Seq2[logs.Entry, error] { return l.From(t.Context(), middle) },
			"since":           func(l *logs.Log) iter.Seq2[logs.Entry, error] { return l.Since(t.Context(), time.Unix(epoch+n+20, 0)) },
			"backward":        func(l *logs.Log) iter.Seq2[logs.Entry, error] { return l.AllBackward(t.Context()) },
		} {
			if d := cmp.Diff(places(read(openLog(w))), places(read(reusing(w)))); d != "" {
				t.Errorf("%s: -kept +reused:\n%s", name, d)
			}
		}
	})
}

// TestReusePlace: the place after a file's last record is known when its memory has gone
// to the next file, which turns out to be another one.
func TestReusePlace(t *testing.T) {
	w := kernelWorld{t.TempDir()}
	put(t, w, "wtmp.1", "a1", "b2")
	put(t, w, "wtmp", "c3", "d4")
	got := lines(t, func(yield func(logs.Entry, error) bool) {
		for e, err := range reusing(w).From(t.Context(), logs.Position{}) {
			if !yield(e, err) {
				return
			}
			if e.Line == "b2" {
				w.Rename(t, "wtmp.1", "wtmp.2")
				w.Rename(t, "wtmp", "wtmp.1")
				put(t, w, "wtmp", "e5", "f6")
			}
		}
	})
	if d := cmp.Diff(words("a1 b2 c3 d4 e5 f6"), got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// places returns each record with its position, and each error.
func places(seq iter.Seq2[logs.Entry, error]) (got []string) {
	for e, err := range seq {
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		got = append(got, fmt.Sprint(e.Line, " ", e.Position()))
	}
	return got
}
