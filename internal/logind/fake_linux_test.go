// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"bufio"
	"context"
	"encoding/binary"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// fake is a bus with a logind.
type fake struct {
	mu       sync.Mutex
	owner    string // of logind; empty: it is not there
	sessions map[string]Session
	calls    []string // members, in order
	lines    []*line

	// What goes wrong, by the call's member, or AUTH.
	stall   map[string]bool
	cut     map[string]bool
	garbage map[string]string
	denied  map[string]string        // error names
	odd     map[string]string        // likewise, of GetAll, by path
	busSays bool                     // it is the bus that refuses those, as its policy may
	before  map[string]func(l *line) // called with the lock held, before the reply
	refuse  error                    // of a connection
	dials   []time.Time
}

// line is one connection. As at a real bus, the bus never waits for whoever reads.
type line struct {
	f    *fake
	conn net.Conn
	out  chan []byte
}

func newFake(sessions ...Session) *fake {
	f := &fake{owner: ":1.5", sessions: make(map[string]Session), stall: make(map[string]bool), cut: make(map[string]bool),
		garbage: make(map[string]string), denied: make(map[string]string), before: make(map[string]func(*line))}
	for _, s := range sessions {
		f.sessions[s.Path] = s
	}
	return f
}

// one returns a session that began with its leader's number.
func one(id string, leader int32) Session {
	return Session{ID: id, Path: object + "/session/_3" + id, User: "alice", Leader: leader, Since: time.UnixMicro(int64(leader) * 1e6), Service: "sshd", Class: "user", State: "active"}
}

func (f *fake) do(what func()) { f.mu.Lock(); defer f.mu.Unlock(); what() }

// dial connects to the fake in memory.
func (f *fake) dial(context.Context, string, string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials = append(f.dials, time.Now())
	if f.refuse != nil {
		return nil, f.refuse
	}
	here, there := net.Pipe()
	f.serve(there)
	return here, nil
}

// serve serves a connection. It is called with the lock held.
func (f *fake) serve(conn net.Conn) {
	l := &line{f: f, conn: conn, out: make(chan []byte, 1<<14)}
	f.lines = append(f.lines, l)
	go func() {
		for b := range l.out {
			if _, err := conn.Write(b); err != nil {
				break
			}
		}
		conn.Close()
	}()
	go l.read()
}

func (l *line) read() {
	defer func() {
		l.f.do(func() {
			l.f.lines = slices.DeleteFunc(l.f.lines, func(other *line) bool { return other == l })
			close(l.out)
		})
		l.conn.Close()
	}()
	in := bufio.NewReader(l.conn)
	for _, want := range []string{"\x00AUTH EXTERNAL ", "BEGIN\r\n"} {
		text, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(text, want) {
			return
		}
		if text[0] == 0 && !l.send("AUTH", []byte("OK 1234deadbeef\r\n")) {
			return
		}
	}
	for {
		m, err := dbus.DecodeMessage(in)
		if err != nil || !l.answer(m) {
			return
		}
	}
}

// send sends what answers a call, or what the fake is to send instead.
func (l *line) send(member string, text []byte) bool {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	switch {
	case l.f.cut[member]:
		return false
	case l.f.garbage[member] != "":
		l.out <- []byte(l.f.garbage[member])
		return true
	case l.f.stall[member]:
		return true
	}
	if before := l.f.before[member]; before != nil {
		before(l)
	}
	l.out <- text
	return true
}

func (l *line) answer(m *dbus.Message) bool {
	member := m.Headers[dbus.FieldMember].Value().(string)
	to := m.Headers[dbus.FieldDestination].Value().(string)
	path := string(m.Headers[dbus.FieldPath].Value().(dbus.ObjectPath))
	l.f.mu.Lock()
	l.f.calls = append(l.f.calls, member)
	body, errName := l.f.result(member, path, m.Body)
	if to != driver && to != l.f.owner {
		body, errName = nil, noOwner
	}
	from := to
	if name := l.f.odd[path]; name != "" && member == "GetAll" {
		body, errName = nil, name
		if l.f.busSays {
			from = driver
		}
	}
	if l.f.denied[member] != "" {
		body, errName = nil, l.f.denied[member]
	}
	l.f.mu.Unlock()
	if m.Flags&dbus.FlagNoAutoStart == 0 {
		return false
	}
	return l.send(member, replyTo(m.Serial(), from, errName, body...))
}

func (f *fake) result(member, path string, args []any) (body []any, errName string) {
	switch member {
	case "Hello":
		return []any{":1.99"}, ""
	case "AddMatch":
		return nil, ""
	case "GetNameOwner":
		if f.owner == "" || args[0] != service {
			return nil, noOwner
		}
		return []any{f.owner}, ""
	case "ListSessions":
		type listed struct {
			ID   string
			UID  uint32
			User string
			Seat string
			Path dbus.ObjectPath
		}
		all := []listed{}
		for _, path := range slices.Sorted(maps.Keys(f.sessions)) {
			s := f.sessions[path]
			all = append(all, listed{s.ID, 1000, s.User, s.Seat, dbus.ObjectPath(path)})
		}
		return []any{all}, ""
	case "GetAll":
		s, ok := f.sessions[path]
		if !ok {
			return nil, driver + ".Error.UnknownObject"
		}
		return []any{properties(s)}, ""
	}
	return nil, driver + ".Error.UnknownMethod"
}

func properties(s Session) map[string]dbus.Variant {
	type seat struct {
		ID   string
		Path dbus.ObjectPath
	}
	return map[string]dbus.Variant{
		"Id": dbus.MakeVariant(s.ID), "Name": dbus.MakeVariant(s.User), "Leader": dbus.MakeVariant(uint32(s.Leader)),
		"Timestamp": dbus.MakeVariant(uint64(s.Since.UnixMicro())), "TTY": dbus.MakeVariant(s.TTY), "VTNr": dbus.MakeVariant(uint32(s.VT)),
		"Display": dbus.MakeVariant(s.Display), "Seat": dbus.MakeVariant(seat{s.Seat, "/"}), "RemoteHost": dbus.MakeVariant(s.RemoteHost),
		"Service": dbus.MakeVariant(s.Service), "Class": dbus.MakeVariant(s.Class), "State": dbus.MakeVariant(s.State), "Scope": dbus.MakeVariant(s.Scope),
	}
}

func replyTo(serial uint32, from, errName string, body ...any) []byte {
	m := &dbus.Message{Type: dbus.TypeMethodReply, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(serial), dbus.FieldSender: dbus.MakeVariant(from),
	}}
	if errName != "" {
		m.Type, m.Body = dbus.TypeError, []any{"no"}
		m.Headers[dbus.FieldErrorName] = dbus.MakeVariant(errName)
	}
	return wire(m)
}

func signal(from, path, name string, body ...any) []byte {
	dot := strings.LastIndexByte(name, '.')
	return wire(&dbus.Message{Type: dbus.TypeSignal, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldSender: dbus.MakeVariant(from), dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath(path)),
		dbus.FieldInterface: dbus.MakeVariant(name[:dot]), dbus.FieldMember: dbus.MakeVariant(name[dot+1:]),
	}})
}

func wire(m *dbus.Message) []byte {
	if len(m.Body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(m.Body...))
	}
	text, err := encode(m, 7)
	if err != nil {
		panic(err)
	}
	return text
}

func sessionNew(from string, s Session) []byte {
	return signal(from, object, manager+".SessionNew", s.ID, dbus.ObjectPath(s.Path))
}

func sessionRemoved(from string, s Session) []byte {
	return signal(from, object, manager+".SessionRemoved", s.ID, dbus.ObjectPath(s.Path))
}

func propertiesChanged(from string, s Session) []byte {
	return signal(from, s.Path, driver+".Properties.PropertiesChanged", sessionIs, map[string]dbus.Variant{}, []string{"TTY"})
}

func ownerChanged(from, before, now string) []byte {
	return signal(from, "/org/freedesktop/DBus", driver+".NameOwnerChanged", service, before, now)
}

// tell sends to every connection. It is called with the lock held.
func (f *fake) tell(text []byte) {
	for _, l := range f.lines {
		l.out <- text
	}
}

// begin, end and change are what logind does.
func (f *fake) begin(s Session) {
	f.do(func() { f.sessions[s.Path] = s; f.tell(sessionNew(f.owner, s)) })
}

func (f *fake) end(s Session) {
	f.do(func() { delete(f.sessions, s.Path); f.tell(sessionRemoved(f.owner, s)) })
}

func (f *fake) change(s Session) {
	f.do(func() {
		f.sessions[s.Path] = s
		f.tell(propertiesChanged(f.owner, s))
	})
}

// stop and start are logind's own end and begin. What ends meanwhile gets no signal.
func (f *fake) stop() {
	f.do(func() { f.tell(ownerChanged(driver, f.owner, "")); f.owner = "" })
}

func (f *fake) start(owner string, sessions ...Session) {
	f.do(func() {
		f.owner = owner
		clear(f.sessions)
		for _, s := range sessions {
			f.sessions[s.Path] = s
		}
		f.tell(ownerChanged(driver, "", owner))
		for _, s := range sessions {
			f.tell(sessionNew(owner, s))
		}
	})
}

// hangUp cuts all connections.
func (f *fake) hangUp() {
	f.do(func() {
		for _, l := range f.lines {
			l.conn.Close()
		}
	})
}

// oversized is a signal that is larger than what is looked at.
func oversized() []byte {
	text := signal(":1.66", "/", "a.b.C", strings.Repeat("x", frameMost))
	return text
}

// oddFlags is a message that the bus passes on, and that the codec refuses.
func oddFlags() []byte {
	text := signal(":1.5", "/", "a.b.C", "x")
	text[2] = 0x80
	return text
}

// manyFields is a header without an end.
func manyFields() []byte {
	b := make([]byte, headSize)
	b[0], b[1], b[3] = 'l', 4, 1
	binary.LittleEndian.PutUint32(b[12:], 0xffffffff)
	return b
}
