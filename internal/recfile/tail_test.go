// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/synctest"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// day is n logins and logouts.
func day(n int) []utmpx.Record {
	recs := []utmpx.Record{boot(1)}
	for i := range n / 2 {
		line := fmt.Sprint("pts/", i)
		recs = append(recs, sess(line, int64(2*i+2)), dead(line, int64(2*i+3)))
	}
	return recs
}

// TestAppendToDamaged: whatever the log was, it stays, and the records are where libc
// looks for the last one. A log that goes on in another layout is left alone.
func TestAppendToDamaged(t *testing.T) {
	good := raw(t, layout, day(20)...)
	nuls := make([]byte, 4096)
	other := raw(t, utmpx.Glibc400LE, day(20)...)
	odd := sess("pts/7", 90)
	odd.Host = "a\x01b"
	tests := []struct {
		name string
		was  []byte
		err  error
	}{
		{"torn record at the end", join(good, good[:100]), nil},
		{"torn record in the middle", join(good, good[:100], good), nil},
		{"one byte too many", join(good, []byte{7}, good), nil},
		{"beginning cut off", good[200:], nil},
		{"nothing but a torn record", good[:100], nil},
		{"NULs at the end", join(good, nuls), nil},
		{"NULs at the end, not aligned", join(good, nuls[:1000]), nil},
		{"NULs at the beginning", join(nuls, good), nil},
		{"NULs in the middle", join(good, nuls, good), nil},
		{"NULs alone", nuls, nil},
		{"odd record at the end", raw(t, layout, append(day(20), odd)...), nil},
		{"only odd records", raw(t, layout, odd, odd), recfile.ErrLayout},
		{"one record of another layout", join(good, other[:400]), nil},
		{"other layout first", join(other, good), nil},
		{"other layout first and torn", join(other, good, good[:10]), nil},
		{"other layout at the end", join(good, other), recfile.ErrOtherLayout},
		{"other layout at the end, NULs", join(good, other, nuls), recfile.ErrOtherLayout},
		{"other byte order at the end", join(good, raw(t, utmpx.Glibc384BE, day(20)...)), recfile.ErrOtherLayout},
		{"another system's log", other, recfile.ErrOtherLayout},
		{"text", []byte(fmt.Sprintf("%05000d\n", 1)), recfile.ErrLayout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // time passes while a torn record is watched
				w := simWorld{simfile.New()}
				w.Write(t, "wtmp", tt.was)
				l, added := openLog(w), dead("pts/0", 99)
				for range 6 {
					if err := l.Append(t.Context(), added); !errors.Is(err, tt.err) || recfile.TakesNothing(err) != (tt.err != nil) {
						t.Fatalf("error %v, want %v", err, tt.err)
					}
				}
				got := w.Read(t, "wtmp")
				if tt.err != nil {
					diff(t, "log", string(tt.was), string(got))
					return
				}
				pad := -len(tt.was) % layout.Size()
				if pad < 0 {
					pad += layout.Size()
				}
				want := join(tt.was, make([]byte, pad), raw(t, layout, added, added, added, added, added, added))
				diff(t, "log", string(want), string(got))
				c := w.s.Calls()
				if c[simfile.Append] != 6 || c[simfile.Truncate] != 0 || c[simfile.Write] != 0 {
					t.Errorf("calls %v: want an append each, and nothing cut", c)
				}
			})
		})
	}
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// TestTakesNothing: a log that can hold no records is no reason to wait.
func TestTakesNothing(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Special(t, "wtmp", fs.ModeNamedPipe)
		err := openLog(w).Append(t.Context(), boot(1))
		if !errors.Is(err, sysfile.ErrNotRegular) || !recfile.TakesNothing(err) {
			t.Errorf("error %v", err)
		}
		w.Rename(t, "wtmp", "pipe")
		if err := openLog(w).Append(t.Context(), boot(1)); err == nil || recfile.TakesNothing(err) {
			t.Errorf("missing: %v; the log may be on its way", err)
		}
	})
}
