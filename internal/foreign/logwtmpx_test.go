// SPDX-License-Identifier: BSD-2-Clause

package foreign

import (
	"math/rand/v2"
	"testing"
)

// TestLogwtmpx: NetBSD's init and ftpd record through logwtmpx(3), which writes no process and no
// ID; the log that newsyslog made begins without a signature.
//
// Source: logwtmpx.c, ftpd/logwtmp.c, init.c and newsyslog.conf of NetBSD 10.
func TestLogwtmpx(t *testing.T) {
	on := event{kind: in, pid: 99, line: "ttyE0", user: "alice", at: 1_780_000_100}
	off := event{kind: out, line: "ttyE0", at: 1_780_000_400}
	ftp := event{kind: in, line: "ftpd312", user: "bob", host: "ws7", at: 1_780_000_500}
	bye := event{kind: out, line: "ftpd312", at: 1_780_000_600}
	for _, s := range systems[2:6] {
		plain := s
		plain.head = nil
		for name, events := range map[string][]event{
			"console": {on, off, on, off},
			"ftpd":    {ftp, bye},
			"logouts": {off, bye},
		} {
			for _, b := range [][]byte{bare(&s, events), bare(&plain, events)} {
				if f := Detect(b); f == nil || f.layout != s.layout {
					t.Errorf("%s, %s: %+v", s.name, name, f)
				}
			}
		}
		rnd := rand.New(rand.NewPCG(11, 12))
		for range 50 {
			b := bare(&plain, history(rnd, 20))
			if f := Detect(damaged(rnd, b)); f != nil && f.layout != s.layout {
				t.Errorf("%s, damaged: %s", s.name, f.layout)
			}
		}
	}
}

// bare returns the bytes of events of NetBSD; those of no process have no ID.
func bare(s *system, events []event) []byte {
	b := s.file(nil)
	for _, e := range events {
		r := s.make(e)
		if e.pid == 0 {
			clear(r[32:36])
		}
		b = append(b, r...)
	}
	return b
}
