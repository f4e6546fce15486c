// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package libc

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// show runs testdata/layout.c.
func (m machine) showLayout(t *testing.T, args ...string) []byte {
	t.Helper()
	args = append(append(m.run[:len(m.run):len(m.run)], m.show), args...)
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLayout checks that every field has the offset and the width of the header.
func TestLayout(t *testing.T) {
	for _, m := range machines {
		t.Run(m.name, func(t *testing.T) {
			want := strings.TrimSpace(string(m.showLayout(t)))
			if diff := cmp.Diff(want, strings.Join(tableOf(t, m.layout), "\n")); diff != "" {
				t.Errorf("%s (-header +layout):\n%s", m.layout, diff)
			}
		})
	}
}

// tableOf determines the fields of a layout by writing each one alone.
func tableOf(t *testing.T, l *utmpx.Layout) []string {
	full := func(width int) string { return strings.Repeat("\xff", width) }
	var addr [16]byte
	copy(addr[:], full(16))
	table := []string{fmt.Sprintf("size 0 %d", l.Size())}
	for _, f := range []struct {
		name string
		recs []utmpx.Record // the first record that the field can hold
	}{
		{"type", []utmpx.Record{{Type: -1}}},
		{"pid", []utmpx.Record{{PID: -1}}},
		{"line", []utmpx.Record{{Line: full(32)}}},
		{"id", []utmpx.Record{{ID: full(4)}}},
		{"user", []utmpx.Record{{User: full(32)}}},
		{"host", []utmpx.Record{{Host: full(257)}, {Host: full(256)}}},
		{"exit", []utmpx.Record{{Exit: utmpx.Exit{Termination: -1, Exit: -1}}}},
		{"session", []utmpx.Record{{Session: -1}}},
		{"sec", []utmpx.Record{{Time: utmpx.Time{Sec: -1}}, {Time: utmpx.Time{Sec: 1<<32 - 1}}}},
		{"usec", []utmpx.Record{{Time: utmpx.Time{Usec: -1}}}},
		{"addr", []utmpx.Record{{Addr: addr}}},
	} {
		table = append(table, fmt.Sprintf("%s %s", f.name, span(t, l, f.recs)))
	}
	return table
}

// span returns the offset of the bytes that a record sets, and their number.
func span(t *testing.T, l *utmpx.Layout, recs []utmpx.Record) string {
	for _, r := range recs {
		b, err := l.Encode(r)
		if errors.Is(err, utmpx.ErrRange) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		s := string(b)
		off := len(s) - len(strings.TrimLeft(s, "\x00"))
		return fmt.Sprint(off, " ", len(strings.Trim(s, "\x00")))
	}
	return "holds none of those"
}

// TestSample checks that a record that C wrote field by field is decoded correctly, and is
// encoded to the same bytes.
func TestSample(t *testing.T) {
	for _, m := range machines {
		t.Run(m.name, func(t *testing.T) {
			raw := m.showLayout(t, "sample")
			want := utmpx.Record{
				Type: utmpx.UserProcess, PID: 123456, Line: "pts/1", ID: "ts/1",
				User: "alice", Host: "host.example", Session: 654321,
				Time: utmpx.Time{Sec: start, Usec: 987654},
				Exit: utmpx.Exit{Termination: 15, Exit: 3},
				Addr: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
			}
			got := split(t, m.layout, raw)
			if len(got) != 1 || !sameFields(got[0], want) {
				t.Errorf("read as %v, want %v", got, want)
			}
			sameBytes(t, m.layout, "written", encode(t, m.layout, want), raw)
			m.detected(t, raw)
		})
	}
}

// detected checks that a single record identifies its layout on any machine: its own layout,
// or one that reads the same.
func (m machine) detected(t *testing.T, b []byte) {
	t.Helper()
	l, c := utmpx.Detect(b)
	if c != utmpx.Sure || l.Size() != m.layout.Size() || l.Name()[len(l.Name())-2:] != m.layout.Name()[len(m.layout.Name())-2:] {
		t.Errorf("detected %s, %s; it is %s", l, c, m.layout)
	}
	if m.layout == utmpx.Native() && l != m.layout {
		t.Errorf("detected %s on a machine of %s", l, m.layout)
	}
}

// TestFirstRecord checks that the first record that libc writes to an empty file shows its
// layout, and that libc reads what this code then writes.
func TestFirstRecord(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		name := create(t, nil)
		raw := encode(t, m.layout, boot)
		m.feed(t, raw, "put", name)
		sameBytes(t, m.layout, "file", content(t, name), raw)
		m.detected(t, content(t, name))
		f := recfile.NewFile(name, recfile.Options{}) // without a given layout
		l, err := f.Layout()
		if err != nil || l.Size() != m.layout.Size() {
			t.Fatalf("Layout() = %v, %v, want %s", l, err, m.layout)
		}
		session := utmpx.Record{Type: utmpx.UserProcess, ID: "ts/0", Line: "pts/0", User: "alice", PID: 7, Time: boot.Time}
		if _, err := f.Put(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		sameBytes(t, m.layout, "libc reads", m.feed(t, nil, "all", name), encode(t, m.layout, boot, session))
	})
}

// TestVersion logs the version of the libc.
func TestVersion(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		t.Logf("glibc %s, %s", strings.TrimSpace(string(m.feed(t, nil, "version", "-"))), m.layout)
	})
}
