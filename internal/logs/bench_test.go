// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"os"
	"path/filepath"
	"testing"

	"utmpd.dev/utmpd/internal/logs"
)

func BenchmarkBackward(b *testing.B) {
	const records = 50_000
	name := filepath.Join(b.TempDir(), "wtmp")
	check(b, os.WriteFile(name, raw(b, layout, numbered(records)...), 0o600))
	l := logs.New(name, logs.Options{})
	b.SetBytes(records * int64(layout.Size()))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range l.Backward(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != records {
			b.Fatal(n)
		}
	}
}
