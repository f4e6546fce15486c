// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package libc

import (
	"os"
	"path/filepath"
	"testing"

	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

// TestLibcAppendsToDamagedLog: libc cuts what is behind the last multiple of a record's
// size. What this code appends to a damaged log, in turns with libc, outlives that.
func TestLibcAppendsToDamagedLog(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		size := m.layout.Size()
		login := func(n int) utmpx.Record {
			return utmpx.Record{Type: utmpx.UserProcess, PID: int32(n), Line: "pts/0", ID: "ts/0", User: "alice", Host: "h", Time: utmpx.Time{Sec: start + int64(n)}}
		}
		good := encode(t, m.layout, boot, login(1), login(2), login(3), login(4), login(5))
		tests := map[string][]byte{
			"whole":               good,
			"torn at the end":     append(good[:len(good):len(good)], good[:100]...),
			"torn in the middle":  append(good[:size+7:size+7], good...),
			"beginning cut off":   good[size/2:],
			"NULs at the end":     append(good[:len(good):len(good)], make([]byte, 1000)...),
			"torn, and all of it": good[:10],
		}
		for name, was := range tests {
			t.Run(name, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "wtmp")
				rewrite(t, file, was)
				log := utmpfile.NewLog(file, &utmpfile.Options{Layout: m.layout})
				want := append(was[:len(was):len(was)], make([]byte, (size-len(was)%size)%size)...)
				for n := 10; n < 16; n++ {
					r := login(n)
					if n%2 == 0 {
						if err := log.Append(t.Context(), r); err != nil {
							t.Fatal(err)
						}
					} else {
						m.feed(t, encode(t, m.layout, r), "log", file)
					}
					want = append(want, encode(t, m.layout, r)...)
				}
				got, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != string(want) {
					t.Errorf("%d bytes, want %d; what was there and every record", len(got), len(want))
				}
			})
		}
	})
}
