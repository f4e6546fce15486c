// SPDX-License-Identifier: BSD-2-Clause

package utmpx_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// TestForeignKeepsBytes: any bytes are a record, and encoding it gives them again.
func TestForeignKeepsBytes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, l := range utmpx.Foreign() {
		for i := range 2000 {
			b := make([]byte, l.Size())
			for j := range b {
				if i%4 == 0 || rnd.IntN(8) == 0 {
					b[j] = byte(rnd.UintN(256))
				}
			}
			r := l.Decode(string(b))
			if got, err := l.Encode(r); err != nil || !bytes.Equal(got, b) {
				t.Fatalf("%s: %x comes back as %x, %v", l, b, got, err)
			}
			if typ, at, line := l.Peek(b); typ != r.Type || at != r.Time || (line != 0) != (r.Line != "") {
				t.Fatalf("%s: Peek sees %v %v %q in %s", l, typ, at, line, r)
			}
		}
	}
}

func TestForeignNames(t *testing.T) {
	for _, l := range utmpx.Foreign() {
		if got, err := utmpx.ByName(l.Name()); got != l || err != nil || !l.IsForeign() {
			t.Errorf("%s: %v, %v", l, got, err)
		}
	}
	for _, l := range utmpx.Layouts() {
		if l.IsForeign() || l.Size() > utmpx.MaxSize {
			t.Errorf("%s is foreign", l)
		}
	}
}

// TestForeignConverts: what a record of Linux becomes in the layouts of others.
func TestForeignConverts(t *testing.T) {
	at := utmpx.Time{Sec: 1_780_000_000, Usec: 5}
	shutdown := utmpx.Record{Type: utmpx.RunLevel, Line: "~", ID: "~~", User: "shutdown", Time: at}
	in := utmpx.Record{Type: utmpx.UserProcess, PID: 7, Line: "pts/0", ID: "ts/0", User: "alice", Host: "ws7", Session: 7, Time: at, Addr: [16]byte{192, 0, 2, 7}}
	out := in
	out.Type, out.User, out.Host = utmpx.DeadProcess, "", ""
	tests := []struct {
		name    string
		l       *utmpx.Layout
		r, want utmpx.Record
		fails   bool
	}{
		{"login", utmpx.NetBSD520BE, in, in, false},
		{"no session", utmpx.MacOS628LE, in, utmpx.Record{Type: in.Type, PID: 7, Line: "pts/0", ID: "ts/0", User: "alice", Host: "ws7", Time: at}, false},
		{"no type", utmpx.OpenBSD304LE, in, utmpx.Record{Type: in.Type, Line: "pts/0", User: "alice", Host: "ws7", Time: utmpx.Time{Sec: at.Sec}}, false},
		{"logout without type", utmpx.OpenBSD304BE, out, utmpx.Record{Type: out.Type, Line: "pts/0", Time: utmpx.Time{Sec: at.Sec}}, false},
		{"shutdown of FreeBSD", utmpx.FreeBSD197, shutdown, utmpx.Record{Type: utmpx.DownTime, Line: "~", ID: "~~", User: "shutdown", Time: at}, false},
		{"shutdown without type", utmpx.NetBSD36LE, shutdown, utmpx.Record{Type: utmpx.DownTime, Line: "~", User: "shutdown", Time: utmpx.Time{Sec: at.Sec}}, false},
		{"boot without type", utmpx.NetBSD40LE, utmpx.Record{Type: utmpx.BootTime, Line: "system boot", Time: at}, utmpx.Record{Type: utmpx.BootTime, Line: "~", User: "reboot", Time: utmpx.Time{Sec: at.Sec}}, false},
		{"empty without type", utmpx.OpenBSD304LE, utmpx.Record{Line: "pts/0", User: "alice", Host: "ws7", Time: at}, utmpx.Record{Time: utmpx.Time{Sec: at.Sec}}, false},
		{"no such type", utmpx.FreeBSD197, utmpx.Record{Type: utmpx.Accounting, Time: at}, utmpx.Record{}, true},
		{"getty without type", utmpx.OpenBSD304LE, utmpx.Record{Type: utmpx.LoginProcess, Line: "tty1", User: "LOGIN", Time: at}, utmpx.Record{}, true},
		{"host too long", utmpx.FreeBSD197, utmpx.Record{Type: utmpx.UserProcess, Host: strings.Repeat("h", 129)}, utmpx.Record{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.l.Encode(tt.r)
			if tt.fails != errors.Is(err, utmpx.ErrRange) {
				t.Fatalf("error %v", err)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tt.want, tt.l.Decode(string(b)), fields); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !tt.l.Canonical(b) {
				t.Error("not canonical")
			}
		})
	}
}
