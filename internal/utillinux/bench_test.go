// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// history writes a log of logins and logouts and returns its name.
func manySessions(b *testing.B, n, lines int) string {
	name := filepath.Join(b.TempDir(), "wtmp")
	var data []byte
	for i := range n {
		line := "pts/" + string(rune('0'+i%lines%10)) + string(rune('0'+i%lines/10))
		r := utmpx.Record{Type: utmpx.UserProcess, PID: 1000 + int32(i), Line: line, ID: "ts/0", User: "alice", Host: "host.example.com", Time: utmpx.Time{Sec: 1700000000 + int64(i)*30}}
		if i/lines%2 == 1 {
			r.Type, r.User, r.Host = utmpx.DeadProcess, "", ""
		}
		var err error
		if data, err = utmpx.Native().AppendEncode(data, r); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		b.Fatal(err)
	}
	return name
}

func benchmark(b *testing.B, argv ...string) {
	name := manySessions(b, 100000, 50)
	b.SetBytes(100000 * int64(utmpx.Native().Size()))
	b.ReportAllocs()
	for b.Loop() {
		p := Program{Argv: append(argv, name), Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }, Now: time.Now}
		if p.Run() != 0 {
			b.Fatal("failed")
		}
	}
}

func BenchmarkLast(b *testing.B)   { benchmark(b, "last", "-f") }
func BenchmarkNewest(b *testing.B) { benchmark(b, "last", "-n", "10", "-f") }
func BenchmarkDump(b *testing.B)   { benchmark(b, "utmpdump") }
