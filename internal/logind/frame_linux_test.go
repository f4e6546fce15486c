// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// altered returns a message with some bytes set.
func altered(bytes map[int]byte) []byte {
	text := sessionNew(":1.5", first)
	for at, b := range bytes {
		text[at] = b
	}
	return text
}

func TestReadFrame(t *testing.T) {
	for _, c := range []struct {
		name    string
		text    []byte
		skipped bool
		err     error
	}{
		{"signal", sessionNew(":1.5", first), false, nil},
		{"reply", replyTo(12, ":1.5", "", "x"), false, nil},
		{"nothing", nil, false, io.EOF},
		{"part of a header", sessionNew(":1.5", first)[:15], false, io.EOF},
		{"part of a message", sessionNew(":1.5", first)[:50], false, io.ErrUnexpectedEOF},
		{"another byte order", altered(map[int]byte{0: 'x'}), false, errFrame},
		{"another version", altered(map[int]byte{3: 2}), false, errFrame},
		{"fields without end", manyFields(), false, errFrame},
		{"body without end", altered(map[int]byte{7: 0xff}), false, errFrame},
		{"larger than what is looked at", oversized(), true, nil},
		{"a field of two types", altered(map[int]byte{17: 2}), true, nil},
		{"a field of another type", altered(map[int]byte{18: 'a'}), true, nil},
		{"a text that is longer than the header", altered(map[int]byte{20: 0xff, 21: 0xff, 22: 0xff, 23: 0xff}), true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := bufio.NewReader(bytes.NewReader(c.text))
			f, err := readFrame(in, anybody)
			if !errors.Is(err, c.err) || (f == nil) != (c.skipped || c.err != nil) {
				t.Errorf("readFrame = %v, %v", f, err)
			}
			if c.err == nil && in.Buffered() > 0 {
				t.Errorf("%d bytes are left", in.Buffered())
			}
		})
	}
}

func TestReadFields(t *testing.T) {
	f, err := readFrame(bufio.NewReader(bytes.NewReader(replyTo(12, ":1.5", driver+".Error.X"))), anybody)
	if err != nil || f.sender != ":1.5" || f.replyTo != 12 || f.kind != dbus.TypeError {
		t.Errorf("readFrame = %+v, %v", f, err)
	}
}

// Whatever arrives, nothing panics, and nothing large is made of it.
func TestDecodeAnything(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	seeds := [][]byte{sessionNew(":1.5", first), ownerChanged(driver, "a", "b"), replyTo(3, ":1.5", "", properties(first)), oddFlags()}
	for range 20_000 {
		text := bytes.Clone(seeds[rnd.IntN(len(seeds))])
		for range 1 + rnd.IntN(4) {
			text[4+rnd.IntN(len(text)-4)] = byte(rnd.UintN(256))
		}
		binary.LittleEndian.PutUint16(text[6:], 0) // a length that comes
		if f, err := readFrame(bufio.NewReader(bytes.NewReader(text)), anybody); err == nil && f != nil {
			_, _ = f.decode()
		}
	}
}

// sent returns properties as they arrive.
func sent(t *testing.T, properties map[string]dbus.Variant) (got map[string]dbus.Variant) {
	m, err := dbus.DecodeMessage(bytes.NewReader(replyTo(1, ":1.5", "", properties)))
	if err != nil {
		t.Fatal(err)
	}
	if err := dbus.Store(m.Body, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestParseSession(t *testing.T) {
	full := Session{
		ID: "c1", Path: "/p", User: "alice", Leader: 7, Since: first.Since, TTY: "tty2", Display: ":0", Seat: "seat0",
		VT: 2, RemoteHost: "h", Service: "login", Class: "user", State: "active", Scope: "session-c1.scope",
	}
	with := func(name string, value any) map[string]dbus.Variant {
		p := properties(full)
		delete(p, name)
		if value != nil {
			p[name] = dbus.MakeVariant(value)
		}
		return p
	}
	changed := func(change func(s *Session)) Session { s := full; change(&s); return s }
	for _, c := range []struct {
		name       string
		properties map[string]dbus.Variant
		want       Session
		ok         bool
	}{
		{"all", properties(full), full, true},
		{"the name of a device", with("TTY", "/dev/tty2"), full, true},
		{"a terminal of another type", with("TTY", uint32(2)), changed(func(s *Session) { s.TTY = "" }), true},
		{"no seat", with("Seat", nil), changed(func(s *Session) { s.Seat = "" }), true},
		{"a seat that is a text", with("Seat", "seat0"), changed(func(s *Session) { s.Seat = "" }), true},
		{"a terminal that there cannot be", with("VTNr", uint32(64)), changed(func(s *Session) { s.VT = 0 }), true},
		{"a time without end", with("Timestamp", uint64(1)<<63), changed(func(s *Session) { s.Since = time.Time{} }), true},
		{"no id", with("Id", nil), Session{}, false},
		{"no leader", with("Leader", nil), Session{}, false},
		{"a leader that there cannot be", with("Leader", uint32(1)<<31), Session{}, false},
		{"no user", with("Name", nil), Session{}, false},
		{"nothing", nil, Session{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ok := parseSession("/p", sent(t, c.properties))
			if ok != c.ok || ok && s != c.want {
				t.Errorf("parseSession = %+v, %v, want %+v", s, ok, c.want)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	for class, want := range map[string]bool{
		"user": true, "user-early": true, "user-incomplete": true, "user-light": true, "user-early-light": true,
		"greeter": false, "lock-screen": false, "manager": false, "manager-early": false, "background": false,
		"background-light": false, "none": false, "username": false, "": false,
	} {
		if got := (Session{Class: class}).Login(); got != want {
			t.Errorf("class %q is a login: %v", class, got)
		}
	}
}

func anybody([]byte) bool { return true }

// Everybody may send to everybody, large and small: that takes no memory, which nobody collects
// while utmpd is at rest.
func TestStrangersTakeNoMemory(t *testing.T) {
	large := signal(":1.66", object, manager+".SessionNew", strings.Repeat("x", 1<<20), dbus.ObjectPath("/"))
	small := sessionNew(":1.66", first)
	const n = 100
	in := bufio.NewReader(bytes.NewReader(slices.Concat(bytes.Repeat(large, n/10), bytes.Repeat(small, n), sessionNew(":1.5", first))))
	b := &bus{}
	b.setOwner(":1.5")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n/10 + n {
		if f, err := readFrame(in, b.believes); f != nil || err != nil {
			t.Fatalf("readFrame = %v, %v", f, err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 4<<10 {
		t.Errorf("%d messages took %d bytes", n/10+n, got)
	}
	if f, err := readFrame(in, b.believes); f == nil || err != nil || f.sender != ":1.5" {
		t.Errorf("logind's after them: %v, %v", f, err)
	}
}
