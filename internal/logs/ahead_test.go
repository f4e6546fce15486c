// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/logs"
)

// aheadOf is reusing, and read ahead.
func aheadOf(w world) *logs.Log {
	return logs.New(w.Path("wtmp"), logs.Options{System: w.System(), Layout: layout, Reuse: true, Ahead: true})
}

// long writes a log of n records that is long enough to be read ahead, and returns their
// lines.
func long(t *testing.T, w world, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint("l", i+10))
	}
	put(t, w, "wtmp", all...)
	return all
}

// TestAhead: a log that is read ahead reads as any other: whole, damaged, and as far as the
// caller goes.
func TestAhead(t *testing.T) {
	const n = 11_000
	w := kernelWorld{t.TempDir()}
	all := long(t, w, n)
	size := layout.Size()
	w.Change(t, "wtmp", func(b []byte) []byte {
		clear(b[3000*size : 3002*size])
		b = slices.Delete(b, 5000*size+100, 5000*size+300)
		return slices.Insert(b, 9000*size, make([]byte, 100_000)...)
	})
	var middle logs.Position
	for e := range openLog(w).Forward(t.Context()) {
		if e.Line == all[2222] {
			middle = e.Position()
		}
	}
	for name, read := range map[string]func(*logs.Log) iter.Seq2[logs.Entry, error]{
		"from the start":  func(l *logs.Log) iter.Seq2[logs.Entry, error] { return l.From(t.Context(), logs.Position{}) },
		"from a position": func(l *logs.Log) iter.Seq2[logs.Entry, error] { return l.From(t.Context(), middle) },
		"since":           func(l *logs.Log) iter.Seq2[logs.Entry, error] { return l.Since(t.Context(), time.Unix(epoch+900, 0)) },
		"backward":        func(l *logs.Log) iter.Seq2[logs.Entry, error] { return l.AllBackward(t.Context()) },
	} {
		want := places(read(openLog(w)))
		if d := cmp.Diff(want, places(read(aheadOf(w)))); d != "" {
			t.Errorf("%s: -want +read ahead:\n%s", name, d)
		}
		for _, most := range []int{1, 512, 2500, 4097, 7000} {
			if d := cmp.Diff(want[:most], places(first(most, read(aheadOf(w))))); d != "" {
				t.Errorf("%s, %d records: -want +read ahead:\n%s", name, most, d)
			}
		}
	}
}

// first yields so many of what a sequence yields.
func first(n int, all iter.Seq2[logs.Entry, error]) iter.Seq2[logs.Entry, error] {
	return func(yield func(logs.Entry, error) bool) {
		left := n
		for e, err := range all {
			if left--; !yield(e, err) || left == 0 {
				return
			}
		}
	}
}

// TestAheadWhileTruncated: the log is copied and truncated while it is read ahead. No
// record is left out, and none comes twice.
func TestAheadWhileTruncated(t *testing.T) {
	const n = 11_000
	for name, read := range map[string]func(*logs.Log) iter.Seq2[logs.Entry, error]{
		"forward":  func(l *logs.Log) iter.Seq2[logs.Entry, error] { return l.From(t.Context(), logs.Position{}) },
		"backward": func(l *logs.Log) iter.Seq2[logs.Entry, error] { return l.AllBackward(t.Context()) },
	} {
		for _, at := range []int{100, 2600, 5000} {
			w := kernelWorld{t.TempDir()}
			want := long(t, w, n)
			var got []string
			for e, err := range read(aheadOf(w)) {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, strings.Clone(e.Line)); len(got) == at {
					cut(t, w, "wtmp", "wtmp.1")
					add(t, w, "wtmp", "z99999")
				}
			}
			if name == "backward" {
				slices.Reverse(want)
			} else {
				want = append(want, "z99999")
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, after %d records: -want +got:\n%s", name, at, d)
			}
		}
	}
}

// TestAheadEndsWithContext: the context's end ends the reading.
func TestAheadEndsWithContext(t *testing.T) {
	w := kernelWorld{t.TempDir()}
	long(t, w, 20_000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n, failed := 0, false
	for _, err := range aheadOf(w).AllBackward(ctx) {
		if n++; n == 3000 {
			cancel()
		}
		failed = failed || errors.Is(err, context.Canceled)
	}
	if !failed || n > 15_000 {
		t.Errorf("%d records, failed: %v", n, failed)
	}
}
