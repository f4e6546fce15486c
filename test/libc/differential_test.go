// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package libc

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// rounds is the number of rounds of a random test, each with its own seed.
func (m machine) rounds() uint64 {
	if m.slow {
		return 4
	}
	return 8
}

// beginnings are the initial contents of a file: the records of a boot, and a partial
// record at the end.
func beginnings(t *testing.T, l *utmpx.Layout) [][]byte {
	b := encode(t, l, boot, boot, boot)
	return [][]byte{nil, b[:l.Size()], b[:l.Size()+1], b[:3*l.Size()-1], b[:l.Size()-4]}
}

// TestPutIsPututxline checks that the same records, put by libc and by this code, give the
// same files byte for byte.
func TestPutIsPututxline(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		for seed := range m.rounds() {
			for i, begin := range beginnings(t, m.layout) {
				w := wild{rand.New(rand.NewPCG(seed, uint64(i))), m.layout}
				recs := append([]utmpx.Record{boot}, w.records(t, 100)...)
				theirs, ours := create(t, begin), create(t, begin)
				m.feed(t, encode(t, m.layout, recs...), "put", theirs)
				f := recfile.NewFile(ours, m.options())
				for _, r := range recs {
					if _, err := f.Put(t.Context(), r); err != nil {
						t.Fatal(err)
					}
				}
				what := fmt.Sprintf("seed %d, beginning %d", seed, i)
				sameBytes(t, m.layout, what, content(t, ours), content(t, theirs))
			}
		}
	})
}

// TestAppendIsUpdwtmpx checks the same for the log.
func TestAppendIsUpdwtmpx(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		for seed := range m.rounds() {
			for i, begin := range beginnings(t, m.layout) {
				w := wild{rand.New(rand.NewPCG(seed, uint64(i))), m.layout}
				recs := append([]utmpx.Record{boot}, w.records(t, 50)...)
				theirs, ours := create(t, begin), create(t, begin)
				m.feed(t, encode(t, m.layout, recs...), "log", theirs)
				if err := recfile.NewLog(ours, m.options()).Append(t.Context(), recs...); err != nil {
					t.Fatal(err)
				}
				what := fmt.Sprintf("seed %d, beginning %d", seed, i)
				sameBytes(t, m.layout, what, content(t, ours), filledUp(m.layout, begin, content(t, theirs)))
			}
		}
	})
}

// filledUp returns what updwtmpx(3) made of a log that began so, as this code makes it: a
// torn record is not cut off but filled up.
func filledUp(l *utmpx.Layout, begin, theirs []byte) []byte {
	torn := len(begin) % l.Size()
	if torn == 0 {
		return theirs
	}
	return slices.Concat(begin, make([]byte, l.Size()-torn), theirs[len(begin)-torn:])
}

// TestReadIsGetutxent checks that libc and this code read the same records from a file.
func TestReadIsGetutxent(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		for seed := range m.rounds() {
			name, f := m.wildFile(t, seed)
			s, err := f.Snapshot(nil)
			if err != nil {
				t.Fatal(err)
			}
			var ours []byte
			for slot := range s.All() {
				ours = append(ours, s.Raw(slot)...)
			}
			theirs := m.feed(t, nil, "all", name)
			sameBytes(t, m.layout, "Snapshot", ours, theirs)
			var logged []byte
			for e, err := range logs.New(name, logs.Options{Layout: m.options().Layout}).Forward(t.Context()) {
				// Random records without a type or a time are damage to this code.
				if d := (*logs.DamageError)(nil); errors.As(err, &d) && (d.To-d.From)%int64(m.layout.Size()) == 0 {
					logged = append(logged, content(t, name)[d.From:d.To]...)
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				logged = append(logged, e.Raw()...)
			}
			sameBytes(t, m.layout, "Forward", logged, theirs)
		}
	})
}

// wildFile is a file of random records with a partial one at the end.
func (m machine) wildFile(t *testing.T, seed uint64) (string, *recfile.File) {
	w := wild{rand.New(rand.NewPCG(seed, 99)), m.layout}
	b := encode(t, m.layout, append([]utmpx.Record{boot}, w.records(t, 30)...)...)
	name := create(t, append(b, b[:17]...))
	return name, recfile.NewFile(name, m.options())
}

// TestPutFindsWhatGetutxidFinds checks that a record replaces the one that getutxid finds
// for it, and is appended if getutxid finds none.
func TestPutFindsWhatGetutxidFinds(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		for seed := range m.rounds() {
			name, f := m.wildFile(t, seed)
			before, err := f.Snapshot(nil)
			if err != nil {
				t.Fatal(err)
			}
			raw := content(t, name)
			keys := wild{rand.New(rand.NewPCG(seed, 7)), m.layout}.records(t, 40)
			found := m.lookUp(t, "getid", name, keys)
			for i, key := range keys {
				slot, err := f.Put(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				got := ""
				if slot < before.Len() {
					got = before.Raw(slot)
				}
				if got != found[i] {
					t.Fatalf("seed %d: for %v\nPut went over %q,\ngetutxid found %q", seed, key, got, found[i])
				}
				rewrite(t, name, raw)
			}
		}
	})
}

// TestGetutxline checks that libc finds every session that this code has put by its line.
func TestGetutxline(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		name := create(t, nil)
		f := recfile.NewFile(name, m.options())
		var put, keys []utmpx.Record
		for i := range 50 {
			r := utmpx.Record{
				Type: utmpx.UserProcess, PID: int32(100 + i), Line: fmt.Sprint("pts/", i),
				ID: fmt.Sprintf("%04d", i), User: "alice", Time: utmpx.Time{Sec: start, Usec: int64(i)},
			}
			if _, err := f.Put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			put = append(put, r)
			keys = append(keys, utmpx.Record{Line: r.Line})
		}
		keys = append(keys, utmpx.Record{Line: "pts/50"}, utmpx.Record{})
		found := m.lookUp(t, "getline", name, keys)
		for i, r := range put {
			if want := string(encode(t, m.layout, r)); found[i] != want {
				t.Errorf("getutxline(%s) = %q, want %q", r.Line, found[i], want)
			}
		}
		if found[50] != "" || found[51] != "" {
			t.Errorf("getutxline finds lines that are not there: %q", found[50:])
		}
	})
}

// lookUp runs getutxid or getutxline for each key and returns the records found.
func (m machine) lookUp(t *testing.T, command, name string, keys []utmpx.Record) []string {
	t.Helper()
	out := bytes.NewBuffer(m.feed(t, encode(t, m.layout, keys...), command, name))
	found := make([]string, len(keys))
	for i := range keys {
		if c, err := out.ReadByte(); err != nil {
			t.Fatalf("answer %d of %d: %v", i, len(keys), err)
		} else if c != 0 {
			found[i] = string(out.Next(m.layout.Size()))
		}
	}
	return found
}
