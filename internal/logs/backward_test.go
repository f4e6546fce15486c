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

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/logs"
)

// words splits a text into a list, never nil. An underscore is a blank in a word.
func words(s string) []string {
	list := append([]string{}, strings.Fields(s)...)
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], "_", " ")
	}
	return list
}

func TestBackwardAcrossFiles(t *testing.T) {
	tests := []struct {
		name  string
		files func(t *testing.T, w world)
		want  string
	}{
		{"nothing", func(*testing.T, world) {}, "MISSING"},
		{"an empty file", func(t *testing.T, w world) { put(t, w, "wtmp") }, ""},
		{"one file", func(t *testing.T, w world) { put(t, w, "wtmp", "a1", "b2", "c3") }, "c3 b2 a1"},
		{"rotated and compressed", func(t *testing.T, w world) {
			putAs(t, w, "wtmp.3.xz", "xz", "a1", "b2")
			putAs(t, w, "wtmp.2.gz", "gz", "c3")
			put(t, w, "wtmp.1", "d4", "e5")
			put(t, w, "wtmp", "f6")
		}, "f6 e5 d4 c3 b2 a1"},
		{"no present file", func(t *testing.T, w world) { put(t, w, "wtmp.1", "a1") }, "MISSING a1"},
		{"one that cannot be read", func(t *testing.T, w world) {
			put(t, w, "wtmp.2", "a1")
			w.Write(t, "wtmp.1", []byte(strings.Repeat("no record at all\n", 1000)))
			put(t, w, "wtmp", "c3")
		}, "c3 ERROR_wtmp.1 a1"},
		{"a copy before it is truncated", func(t *testing.T, w world) {
			put(t, w, "wtmp.1", "b2")
			put(t, w, "wtmp", "b2", "c3")
			put(t, w, "wtmp.2", "a1")
		}, "c3 b2 a1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				tt.files(t, w)
				for name, all := range map[string]iter.Seq2[logs.Entry, error]{
					"kept": openLog(w).AllBackward(t.Context()), "reused": reusing(w).AllBackward(t.Context()),
				} {
					if d := cmp.Diff(words(tt.want), lines(t, all)); d != "" {
						t.Errorf("%s: -want +got:\n%s", name, d)
					}
				}
			})
		})
	}
}

// TestBackwardWhileRotated: what happens to the files between two records makes no
// difference.
func TestBackwardWhileRotated(t *testing.T) {
	tests := []struct {
		name   string
		rotate func(t *testing.T, w world)
		want   string
	}{
		{"by renaming", func(t *testing.T, w world) {
			w.Rename(t, "wtmp.2", "wtmp.3")
			w.Rename(t, "wtmp.1", "wtmp.2")
			w.Rename(t, "wtmp", "wtmp.1")
			put(t, w, "wtmp", "g7")
		}, "f6 e5 d4 c3 b2 a1"},
		{"by renaming and compressing", func(t *testing.T, w world) {
			w.Rename(t, "wtmp.2", "wtmp.3")
			w.Remove(t, "wtmp.1")
			putAs(t, w, "wtmp.2.gz", "gz", "c3", "d4")
			w.Rename(t, "wtmp", "wtmp.1")
			put(t, w, "wtmp", "g7")
		}, "f6 e5 d4 c3 b2 a1"},
		{"one that is removed", func(t *testing.T, w world) {
			w.Remove(t, "wtmp.1")
		}, "f6 e5 MISSING b2 a1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				put(t, w, "wtmp.2", "a1", "b2")
				put(t, w, "wtmp.1", "c3", "d4")
				put(t, w, "wtmp", "e5", "f6")
				done := false
				got := lines(t, func(yield func(logs.Entry, error) bool) {
					for e, err := range openLog(w).AllBackward(t.Context()) {
						if !yield(e, err) {
							return
						}
						if !done {
							done = true
							tt.rotate(t, w)
						}
					}
				})
				if d := cmp.Diff(words(tt.want), got); d != "" {
					t.Errorf("-want +got:\n%s", d)
				}
			})
		})
	}
}

// TestBackwardWhileTruncated: the log is copied and truncated while its last block is
// read; the rest comes from the copy. Without a copy an error says so.
func TestBackwardWhileTruncated(t *testing.T) {
	const n = 1500 // three blocks
	for _, kept := range []bool{true, false} {
		t.Run(fmt.Sprint("copy ", kept), func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				var all []string
				for i := range n {
					all = append(all, fmt.Sprint("l", i+10))
				}
				put(t, w, "wtmp", all...)
				put(t, w, "wtmp.2", "a1")
				var got []string
				var failed []error
				for e, err := range openLog(w).AllBackward(t.Context()) {
					if len(got) == 0 {
						cut(t, w, "wtmp", "wtmp.1")
						if !kept {
							w.Remove(t, "wtmp.1")
						}
						add(t, w, "wtmp", "z9999")
					}
					if err != nil {
						failed = append(failed, err)
						continue
					}
					got = append(got, strings.Clone(e.Line))
				}
				slices.Reverse(all)
				want := append(all, "a1")
				if !kept {
					want = append(all[:n%512:n%512], "a1") // blocks begin at multiples of 512 records
				}
				if d := cmp.Diff(want, got); d != "" || len(failed) > 0 == kept {
					t.Errorf("errors %v; -want +got:\n%s", failed, d)
				}
			})
		})
	}
}

func TestBackwardEndsWithContext(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		put(t, w, "wtmp.1", "a1")
		put(t, w, "wtmp", "b2")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var got []string
		for e, err := range openLog(w).AllBackward(ctx) {
			cancel()
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				continue
			}
			got = append(got, e.Line)
		}
		if d := cmp.Diff([]string{"b2"}, got); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	})
}
