// SPDX-License-Identifier: BSD-2-Clause

package utmpx_test

import (
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

func benchRecord(b *testing.B) string {
	b.Helper()
	p, err := utmpx.Glibc384LE.Encode(utmpx.Record{
		Type: utmpx.UserProcess, PID: 4711, Line: "pts/3", ID: "ts/3", User: "alice", Host: "desk.example.org",
		Time: utmpx.Time{Sec: 1_700_000_000, Usec: 5},
	})
	if err != nil {
		b.Fatal(err)
	}
	return string(p)
}

func BenchmarkDecode(b *testing.B) {
	raw := benchRecord(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if utmpx.Glibc384LE.Decode(raw).PID != 4711 {
			b.Fatal("decoded wrongly")
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	r := utmpx.Glibc384LE.Decode(benchRecord(b))
	r.Type, r.User, r.Host = utmpx.DeadProcess, "", ""
	p := make([]byte, utmpx.Glibc384LE.Size())
	b.ReportAllocs()
	for b.Loop() {
		if err := utmpx.Glibc384LE.EncodeTo(p, r); err != nil {
			b.Fatal(err)
		}
	}
}
