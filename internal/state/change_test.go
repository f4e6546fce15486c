// SPDX-License-Identifier: BSD-2-Clause

package state

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

func login(line string) session.OwnRecord {
	o := session.OwnRecord{OpenLogin: session.OpenLogin{Login: session.Login{Line: line, PID: 7, Time: utmpx.TimeOf(at)}, ID: "c1", User: "alice"}}
	if line == "tty3" {
		o.Led = session.ID{PID: 9, Start: 1 << 40}
	}
	return o
}

// exampleChanges has each kind of line of a change: they end a session, change one, begin
// two, and pay all but one logout. The last one changes nothing but the time.
func exampleChanges() []Change {
	s := example()
	ended := s.Sessions[0]
	ended.End = at.Add(time.Second)
	another := session.Entry{Slot: 7, ID: session.ID{PID: 3}, Since: at}
	return []Change{
		{Changes: session.Changes{Alive: at.Add(time.Hour), Gone: []int{4, 9, 1000}, Sessions: []session.Entry{another, ended}, Owed: s.Owed},
			Own: Splice{New: []session.OwnRecord{login("tty1"), login("tty2")}}},
		{Changes: session.Changes{Alive: at.Add(2 * time.Hour), Sessions: []session.Entry{{Slot: 8, ID: session.ID{PID: 9}, Since: at}}, Owed: s.Owed[:1]},
			Own: Splice{At: 1, Old: 1, New: []session.OwnRecord{login("tty3")}}},
		{Changes: session.Changes{Alive: at.Add(3 * time.Hour), Owed: s.Owed[:1]}},
	}
}

// journal returns a file with the changes, and what it holds after each of them, at which
// offset.
func journal(t *testing.T) (file []byte, ends []int, states []State) {
	t.Helper()
	s := example()
	file, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	ends, states = append(ends, len(file)), append(states, s)
	for _, c := range exampleChanges() {
		if file, err = c.AppendText(file); err != nil {
			t.Fatal(err)
		}
		s.Apply(c.Changes)
		s.Own = slices.Concat(s.Own[:c.Own.At], c.Own.New, s.Own[c.Own.At+c.Own.Old:])
		if len(s.Own) == 0 {
			s.Own = nil
		}
		ends, states = append(ends, len(file)), append(states, s)
	}
	return file, ends, states
}

func TestGoldenChanges(t *testing.T) {
	got, _, _ := journal(t)
	mustBeGolden(t, "testdata/changed", got)
}

func TestChanges(t *testing.T) {
	file, ends, states := journal(t)
	last := states[len(states)-1]
	var slots []int
	for _, s := range last.Sessions {
		slots = append(slots, s.Slot)
	}
	if want := []int{7, 8, 3, 6, 5}; !slices.Equal(slots, want) || last.Sessions[2].End.IsZero() || last.Own[1].Line != "tty3" {
		t.Errorf("the example is another one: slots %v, %+v", slots, last)
	}
	for i, n := range ends {
		var got State
		if err := got.UnmarshalBinary(file[:n]); err != nil {
			t.Fatal(err)
		}
		if d := diff(states[i], got); d != "" {
			t.Errorf("after %d changes (-want +got)\n%s", i, d)
		}
	}
}

// TestTornChange cuts a file with changes at each byte: it holds what it held before the
// change that was cut, and no part of that one.
func TestTornChange(t *testing.T) {
	file, ends, states := journal(t)
	var right State // cmp takes long, and finds the same for every cut of a change
	for n := ends[0]; n <= len(file); n++ {
		whole := 0
		for whole+1 < len(ends) && ends[whole+1] <= n {
			whole++
		}
		var got State
		if err := got.UnmarshalBinary(file[:n]); err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if n > ends[whole] && reflect.DeepEqual(right, got) {
			continue
		}
		if d := diff(states[whole], got); d != "" {
			t.Fatalf("cut at %d (-want +got)\n%s", n, d)
		}
		right = got
	}
}

// TestChangedChange changes each byte of a file with changes: nobody believes it, or it reads
// as one whose last change is cut short.
func TestChangedChange(t *testing.T) {
	file, ends, states := journal(t)
	torn := 0
	for i := ends[0] - sumLine; i < len(file); i++ { // TestCutOrChanged does the rest
		for _, bit := range []byte{0x20, 1} {
			c := bytes.Clone(file)
			c[i] ^= bit
			var got State
			err := got.UnmarshalBinary(c)
			switch {
			case errors.Is(err, ErrCorrupt):
			case err == nil && i >= ends[len(ends)-2] && diff(states[len(states)-2], got) == "":
				torn++
			default:
				t.Errorf("changed at %d: %v", i, err)
			}
		}
	}
	if torn > 2*sumLine {
		t.Errorf("%d changed bytes look like the end of writing", torn)
	}
}

// TestWrongChanges: changes that are whole and of another file, or in another order, or
// more than once.
func TestWrongChanges(t *testing.T) {
	file, ends, _ := journal(t)
	top, one, two := file[:ends[0]], file[ends[0]:ends[1]], file[ends[1]:ends[2]]
	other, err := State{BootID: "other"}.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	odd := func(c Change) []byte {
		b, err := c.AppendText(top)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"exchanged", slices.Concat(top, two, one)},
		{"one is missing", slices.Concat(top, two)},
		{"twice", slices.Concat(top, one, one)},
		{"of another state", slices.Concat(other, one)},
		{"text after a change", slices.Concat(top, one, []byte("hello\n"))},
		{"another state after it", slices.Concat(top, other)},
		{"of more records of the bridge than there are", odd(Change{Own: Splice{At: 1, New: []session.OwnRecord{login("tty1")}}})},
		{"instead of more than there are", odd(Change{Own: Splice{Old: 1}})},
	} {
		s := State{BootID: "before"}
		if err := s.UnmarshalBinary(tt.in); !errors.Is(err, ErrCorrupt) || s.BootID != "before" {
			t.Errorf("%s: %v, %q", tt.name, err, s.BootID)
		}
	}
	for _, c := range []Change{
		{Changes: session.Changes{Gone: []int{-1}}},
		{Changes: session.Changes{Sessions: []session.Entry{{}}}},
		{Changes: session.Changes{Alive: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}},
	} {
		if b, err := c.AppendText(top); err == nil || len(b) != len(top) {
			t.Errorf("%+v: no error", c)
		}
	}
}

// TestOlderReader: a utmpd from before there were changes does not believe a file with some,
// since its checksum is not at the end. It would owe what has been paid.
func TestOlderReader(t *testing.T) {
	file, ends, _ := journal(t)
	believes := func(b []byte) bool { return bytes.Equal(seal(string(b[:len(b)-sumLine])), b) }
	if !believes(file[:ends[0]]) {
		t.Error("not even one without changes")
	}
	for _, n := range ends[1:] {
		if believes(file[:n]) {
			t.Errorf("believed at %d", n)
		}
	}
}

func TestSplice(t *testing.T) {
	list := func(lines string) (all []session.OwnRecord) {
		for _, l := range strings.Split(lines, "") {
			all = append(all, login(l))
		}
		return all
	}
	for _, tt := range []struct{ from, to, want string }{
		{"", "", ""}, {"abc", "abc", ""}, {"", "a", "a"}, {"a", "", ""}, {"abc", "abxc", "x"},
		{"abc", "ac", ""}, {"aa", "aaa", "a"}, {"aaa", "aa", ""}, {"abc", "xyz", "xyz"}, {"abcd", "axyd", "xy"},
	} {
		s := State{Own: list(tt.from)}
		c := SpliceOf(s.Own, list(tt.to))
		if err := s.splice(c); err != nil || !slices.Equal(s.Own, list(tt.to)) {
			t.Errorf("%q to %q: %v, %v", tt.from, tt.to, s.Own, err)
		}
		if !slices.Equal(c.New, list(tt.want)) {
			t.Errorf("%q to %q: %v, want %q", tt.from, tt.to, c.New, tt.want)
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table")
	_, _, states := journal(t)
	f := NewFile(path)
	if _, err := f.Append(exampleChanges()...); !errors.Is(err, ErrNotOurs) {
		t.Errorf("changes to nothing: %v", err)
	}
	if err := f.Save(example()); err != nil {
		t.Fatal(err)
	}
	for i, c := range exampleChanges() {
		if full, err := f.Append(c); full || err != nil {
			t.Fatal(full, err)
		}
		got, err := f.Load()
		if d := diff(states[i+1], got); d != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, d)
		}
	}
	if err := f.Save(example()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Append(exampleChanges()...); err != nil {
		t.Error(err)
	}
	got, err := f.Load()
	if d := diff(states[len(states)-1], got); d != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
}

// TestFull: what is appended comes to the size of what is there, and has a bound.
func TestFull(t *testing.T) {
	for _, sessions := range []int{1, 1000} {
		path := filepath.Join(t.TempDir(), "table")
		f := NewFile(path)
		if err := f.Save(many(sessions)); err != nil {
			t.Fatal(err)
		}
		whole, n := f.at.size, 0
		for full := false; !full; n++ {
			var err error
			if full, err = f.Append(exampleChanges()[2]); err != nil {
				t.Fatal(err)
			}
		}
		info, err := os.Stat(path)
		if most := max(2*whole, whole+journalLeast) + 2000; err != nil || info.Size() > most || info.Size() < most-4000 {
			t.Errorf("%d sessions: full at %d bytes, after %d changes; the state has %d", sessions, info.Size(), n, whole)
		}
	}
}

// TestNotAsItWasLeft: a file that somebody removed, replaced, cut or wrote to is not appended
// to, nor after an error.
func TestNotAsItWasLeft(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(path string) error
	}{
		{"removed", os.Remove},
		{"replaced", func(p string) error { return example().Save(p) }},
		{"cut", func(p string) error { return os.Truncate(p, 100) }},
		{"longer", func(p string) error { return os.Truncate(p, 10_000) }},
		{"a link", func(p string) error { return errors.Join(os.Rename(p, p+"2"), os.Symlink(p+"2", p)) }},
	} {
		path := filepath.Join(t.TempDir(), "table")
		f := NewFile(path)
		if err := f.Save(example()); err != nil {
			t.Fatal(err)
		}
		if err := tt.do(path); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(path)
		for range 2 {
			if _, err := f.Append(exampleChanges()...); err == nil {
				t.Errorf("%s: appended", tt.name)
			}
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Errorf("%s: changed", tt.name)
		}
		if err := f.Save(example()); err != nil {
			t.Error(err)
		}
		if _, err := f.Append(exampleChanges()...); err != nil {
			t.Errorf("%s, and saved: %v", tt.name, err)
		}
	}
}

// FuzzChanges states: no bytes after a state make it panic, and what is believed is a state
// that can be written.
func FuzzChanges(f *testing.F) {
	top, err := example().MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	b := bytes.Clone(top)
	for _, c := range exampleChanges() {
		if b, err = c.AppendText(b); err != nil {
			f.Fatal(err)
		}
		f.Add(b[len(top):])
	}
	f.Fuzz(func(t *testing.T, tail []byte) {
		var s State
		if s.UnmarshalBinary(slices.Concat(top, tail)) != nil {
			return
		}
		if _, err := s.MarshalBinary(); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	f := NewFile(filepath.Join(b.TempDir(), "table"))
	if err := f.Save(many(10_000)); err != nil {
		b.Fatal(err)
	}
	c := exampleChanges()[1]
	c.Own = Splice{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Append(c); err != nil {
			b.Fatal(err)
		}
	}
}
