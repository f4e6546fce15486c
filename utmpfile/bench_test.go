// SPDX-License-Identifier: BSD-2-Clause

package utmpfile_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

func BenchmarkForward(b *testing.B) {
	const n = 50_000
	records := make([]utmpx.Record, n)
	for i := range records {
		records[i] = session("pts/0", "alice", int64(i))
	}
	name := write(b, filepath.Join(b.TempDir(), "wtmp"), utmpx.Native(), records...)
	for _, reuse := range []bool{false, true} {
		b.Run(fmt.Sprint("reuse=", reuse), func(b *testing.B) {
			read(b, utmpfile.NewLog(name, &utmpfile.Options{Reuse: reuse}), n)
		})
	}
}

func read(b *testing.B, l *utmpfile.Log, n int) {
	b.SetBytes(int64(n * utmpx.Native().Size()))
	b.ReportAllocs()
	for b.Loop() {
		read := 0
		for e, err := range l.Forward(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			if e.Type == utmpx.UserProcess {
				read++
			}
		}
		if read != n {
			b.Fatalf("%d records read, want %d", read, n)
		}
	}
}
