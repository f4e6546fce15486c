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
	p := make([]byte, 0, utmpx.Glibc384LE.Size())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := utmpx.Glibc384LE.AppendEncode(p, r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPeek(b *testing.B) {
	raw := []byte(benchRecord(b))
	for b.Loop() {
		if typ, _, _ := utmpx.Glibc384LE.Peek(raw); typ != utmpx.UserProcess {
			b.Fatal("decoded wrongly")
		}
	}
}
