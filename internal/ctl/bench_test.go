// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/utmpx"
)

// BenchmarkDowntimeMillion reads a log of a million records, with a boot in every
// thousand.
func BenchmarkDowntimeMillion(b *testing.B) {
	const n = 1_000_000
	name := filepath.Join(b.TempDir(), "wtmp")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	start := at("2026-07-01 08:00").Add(-n * 10 * time.Second)
	var block []byte
	for i := range n {
		r := login(fmt.Sprint("pts/", i%50), int32(i%30000)+100, "08:00")
		switch {
		case i%1000 == 0:
			r = system(utmpx.BootTime, "reboot", "08:00")
		case i%1000 == 999:
			r = system(utmpx.RunLevel, "shutdown", "08:00")
		case i%2 == 0:
			r.Type, r.User, r.Host = utmpx.DeadProcess, "", ""
		}
		r.Time = utmpx.TimeOf(start.Add(time.Duration(i) * 10 * time.Second))
		if block = append(block, encode(b, r)...); len(block) > 1<<20 || i == n-1 {
			if _, err := f.Write(block); err != nil {
				b.Fatal(err)
			}
			block = block[:0]
		}
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(n * int64(utmpx.Native().Size()))
	for b.Loop() {
		var h boots.History
		if err := scan(b.Context(), logs.New(name, logs.Options{}), name, &h); err != nil {
			b.Fatal(err)
		}
		ps, s := boots.Periods(h.Boots(), time.Time{}, time.Time{}, nil)
		if len(ps) != n/1000 || s.Crashes != 0 {
			b.Fatal(len(ps), s)
		}
	}
}
