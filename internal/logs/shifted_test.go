// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// TestShifted: a file that was cut off anywhere is read rightly as a log, and refused as
// a utmpx file, where records have places.
func TestShifted(t *testing.T) {
	for _, l := range []*utmpx.Layout{utmpx.Glibc384LE, utmpx.Glibc400BE, utmpx.Illumos372LE} {
		recs := numbered(12)
		recs[3] = utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.1.0", Time: recs[3].Time}
		recs[8].Type, recs[8].User, recs[8].Host = utmpx.DeadProcess, "", ""
		w := kernelWorld{t.TempDir()}
		for k := 1; k < l.Size(); k++ {
			w.Write(t, "wtmp", raw(t, l, recs...)[k:])
			f, err := openLog(w).Open(t.Context(), w.Path("wtmp"))
			if err != nil {
				t.Fatalf("%s, shifted by %d: %v", l, k, err)
			}
			var got []int64
			for e, err := range f.Forward(0) {
				if err == nil {
					got = append(got, e.Record.Time.Sec)
				}
			}
			f.Close()
			var want []int64
			for _, r := range recs[1:] {
				want = append(want, r.Time.Sec)
			}
			// Of the first one all but the type may be left: it is odd at most.
			if !slices.Equal(got, want) {
				t.Fatalf("%s, shifted by %d: times %v, want %v", l, k, got, want)
			}
			s, err := recfile.NewFile(w.Path("wtmp"), recfile.Options{Layout: layout}).Snapshot(nil)
			if !errors.Is(err, recfile.ErrLayout) {
				t.Errorf("%s, shifted by %d, as a utmpx file: %d records, %v", l, k, s.Len(), err)
			}
		}
	}
}

// TestShiftedEnd: a file whose records are not at multiples of their size ends with a
// part of one only if there are bytes after the last whole one.
func TestShiftedEnd(t *testing.T) {
	old := time.Now().Add(-time.Hour)
	for _, l := range []*utmpx.Layout{utmpx.Glibc384LE, utmpx.Glibc400BE, utmpx.Illumos372LE} {
		whole := raw(t, l, numbered(40)...)
		size := l.Size()
		inserted := slices.Concat(whole[:20*size], bytes.Repeat([]byte{0x5a}, 100), whole[20*size:])
		for _, c := range []struct {
			name string
			b    []byte
			torn int // bytes after the last record
		}{
			{"whole", whole, 0},
			{"torn", whole[:len(whole)-30], size - 30},
			{"inserted", inserted, 0},
			{"inserted, torn", inserted[:len(inserted)-30], size - 30},
			{"inserted, torn to as many bytes", inserted[:len(inserted)-100], size - 100},
			{"lost", slices.Concat(whole[:20*size+50], whole[20*size+80:]), 0},
			{"cut off at the beginning", whole[size-1:], 0},
		} {
			w := kernelWorld{t.TempDir()}
			w.Write(t, "wtmp", c.b)
			if err := os.Chtimes(w.Path("wtmp"), old, old); err != nil {
				t.Fatal(err)
			}
			f, err := openLog(w).Open(t.Context(), w.Path("wtmp"))
			if err != nil {
				t.Fatalf("%s, %s: %v", l, c.name, err)
			}
			torn := f.TornEnd()
			f.Close()
			var damage *logs.DamageError
			switch {
			case c.torn == 0 && torn != nil:
				t.Errorf("%s, %s: %v, but it ends with a whole record", l, c.name, torn)
			case c.torn != 0 && (!errors.As(torn, &damage) || damage.From != int64(len(c.b)-c.torn) || damage.To != int64(len(c.b))):
				t.Errorf("%s, %s: %v, want damage of the last %d bytes of %d", l, c.name, torn, c.torn, len(c.b))
			}
		}
	}
}
