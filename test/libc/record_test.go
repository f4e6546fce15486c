// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package libc

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// start is the time of the first record.
const start = 1_750_000_000

var boot = utmpx.Record{
	Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.1.0-generic",
	Time: utmpx.Time{Sec: start},
}

// encode returns the bytes of records. For a record that was read, these are the bytes it was
// read from, so that an encoder fault cannot be on both sides of a comparison.
func encode(t *testing.T, l *utmpx.Layout, recs ...utmpx.Record) []byte {
	t.Helper()
	var all []byte
	for _, r := range recs {
		if r.Layout() == l {
			all = append(all, r.Raw()...)
			continue
		}
		b, err := l.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// split splits bytes into records.
func split(t *testing.T, l *utmpx.Layout, b []byte) []utmpx.Record {
	t.Helper()
	if len(b)%l.Size() != 0 {
		t.Fatalf("%d bytes are no whole number of records of %d", len(b), l.Size())
	}
	var recs []utmpx.Record
	for ; len(b) > 0; b = b[l.Size():] {
		recs = append(recs, l.Decode(string(b[:l.Size()])))
	}
	return recs
}

// create creates a file with those bytes.
func create(t *testing.T, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "records")
	rewrite(t, name, b)
	return name
}

func rewrite(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// options are the options for a file that may be empty.
func (m machine) options() recfile.Options { return recfile.Options{Layout: m.layout} }

// wild generates records with few different ids, lines and types, so that they collide, and
// with everything else that a file may hold: strings that fill their field, bytes after a
// NUL, padding that is not zero.
type wild struct {
	*rand.Rand
	l *utmpx.Layout
}

// record returns one record. Two of a hundred have an unknown type.
func (w wild) record(t *testing.T) utmpx.Record {
	t.Helper()
	r := utmpx.Record{
		Type:    utmpx.Type(w.IntN(10)),
		PID:     w.Int32N(1 << 22),
		Line:    w.pick("", "pts/0", "pts/1", "pts/10", "tty1", "~", strings.Repeat("l", 32)),
		ID:      w.pick("", "", "ts/0", "ts/1", "/0", "1", "~~", "ts/"),
		User:    w.pick("", "alice", strings.Repeat("u", 32)),
		Host:    w.pick("", "host.example", strings.Repeat("h", 256)),
		Session: w.Int64N(1 << 31),
		Time:    utmpx.Time{Sec: start + w.Int64N(1<<31), Usec: w.Int64N(1_000_000)},
		Exit:    utmpx.Exit{Termination: int16(w.Int32()), Exit: int16(w.Int32())},
	}
	if w.IntN(50) == 0 {
		r.Type = []utmpx.Type{-1, 10, 42, 32767}[w.IntN(4)]
	}
	for i := range r.Addr {
		r.Addr[i] = byte(w.Uint32())
	}
	b := encode(t, w.l, r)
	if w.IntN(2) == 0 {
		w.smear(b)
	}
	return w.l.Decode(string(b))
}

func (w wild) pick(from ...string) string { return from[w.IntN(len(from))] }

// smear fills the bytes that no field uses: padding, and those after a NUL.
func (w wild) smear(b []byte) {
	before := w.l.Decode(string(b))
	for i, c := range b {
		if c != 0 {
			continue
		}
		b[i] = byte(1 + w.IntN(255))
		if now := w.l.Decode(string(b)); !sameFields(now, before) {
			b[i] = 0
		}
	}
}

func sameFields(a, b utmpx.Record) bool {
	return a.Type == b.Type && a.PID == b.PID && a.Line == b.Line && a.ID == b.ID &&
		a.User == b.User && a.Host == b.Host && a.Session == b.Session && a.Time == b.Time &&
		a.Exit == b.Exit && a.Addr == b.Addr
}

func (w wild) records(t *testing.T, n int) []utmpx.Record {
	recs := make([]utmpx.Record, n)
	for i := range recs {
		recs[i] = w.record(t)
	}
	return recs
}

// sameBytes compares two files and reports the first difference.
func sameBytes(t *testing.T, l *utmpx.Layout, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	slot := at / l.Size()
	record := func(b []byte) string {
		b = b[min(slot*l.Size(), len(b)):]
		if len(b) < l.Size() {
			return fmt.Sprintf("%d bytes", len(b))
		}
		return fmt.Sprintf("%#02x in %v", b[at%l.Size()], l.Decode(string(b[:l.Size()])))
	}
	t.Fatalf("%s: %d bytes, want %d; first they differ in record %d, byte %d:\ngot  %s\nwant %s",
		what, len(got), len(want), slot, at%l.Size(), record(got), record(want))
}
