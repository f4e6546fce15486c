// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"errors"
	"slices"
	"testing"

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
