// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// bounded is the record of a session n on a line.
func bounded(typ utmpx.Type, line string, n int) utmpx.Record {
	return utmpx.Record{Type: typ, PID: int32(n), Line: line, ID: line[max(0, len(line)-4):], User: "alice", Time: utmpx.Time{Sec: 1_780_000_000 + int64(n)}}
}

// sized makes a file that begins with the records and has that size.
func sized(t *testing.T, size int64, recs ...utmpx.Record) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "utmp")
	var data []byte
	for _, r := range recs {
		b, err := utmpx.Glibc384LE.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, b...)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, max(size, int64(len(data)))); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestSnapshotIsBounded(t *testing.T) {
	const size = 384
	for _, c := range []struct {
		name  string
		size  int64
		want  int
		error error
	}{
		{"as many as are read", MaxRecords * size, MaxRecords, nil},
		{"and a part of one", MaxRecords*size + size - 1, MaxRecords, nil},
		{"one more", MaxRecords*size + size, MaxRecords, ErrTooLong},
		{"a terabyte", 1 << 40, MaxRecords, ErrTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := NewFile(sized(t, c.size, bounded(utmpx.BootTime, "~", 1), bounded(utmpx.UserProcess, "pts/0", 2)), Options{Layout: utmpx.Glibc384LE})
			var prev *snapshot.Snapshot
			for range 2 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				s, err := f.Snapshot(prev)
				runtime.ReadMemStats(&after)
				if !errors.Is(err, c.error) || s.Len() != c.want {
					t.Fatalf("%d records, %v", s.Len(), err)
				}
				if s.Record(1).Line != "pts/0" {
					t.Errorf("the second record is %v", s.Record(1))
				}
				if got := after.TotalAlloc - before.TotalAlloc; got > 64<<20 {
					t.Errorf("it took %d bytes of memory", got)
				}
				prev = s
			}
		})
	}
}
