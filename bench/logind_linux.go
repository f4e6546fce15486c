// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// login1 is a system bus with a logind that has one session, by ssh and without a terminal, and
// says nothing unless it is asked, or told to.
type login1 struct {
	dir string // has the socket
	net.Listener

	mu       sync.Mutex
	sessions map[dbus.ObjectPath]logindSession
	conns    map[net.Conn]bool
}

// logindSession is a session of logind.
type logindSession struct {
	id, tty, service, class string
	leader                  int
}

// The names of D-Bus that logind has.
const (
	logindObject  = "/org/freedesktop/login1"
	logindManager = "org.freedesktop.login1.Manager"
)

func (s logindSession) path() dbus.ObjectPath {
	return dbus.ObjectPath(logindObject + "/session/_3" + s.id)
}

func newLogin1(ram string) (*login1, error) {
	dir, err := os.MkdirTemp(ram, "")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", filepath.Join(dir, "system_bus_socket"))
	if err != nil {
		return nil, err
	}
	first := logindSession{id: "7", service: "sshd", class: "user", leader: os.Getpid()}
	bus := &login1{dir: dir, Listener: l, sessions: map[dbus.ObjectPath]logindSession{first.path(): first}, conns: map[net.Conn]bool{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go bus.serve(conn)
		}
	}()
	return bus, nil
}

func (l *login1) close() {
	l.Close()
	os.RemoveAll(l.dir)
}

func (l *login1) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	if _, err := in.ReadString('\n'); err != nil { // AUTH
		return
	}
	if _, err := conn.Write([]byte("OK 1234deadbeef\r\n")); err != nil {
		return
	}
	if _, err := in.ReadString('\n'); err != nil { // BEGIN
		return
	}
	l.mu.Lock()
	l.conns[conn] = true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.conns, conn)
		l.mu.Unlock()
	}()
	for {
		m, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		l.mu.Lock()
		_, err = conn.Write(l.reply(m))
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// reply returns the answer to a call.
func (l *login1) reply(m *dbus.Message) []byte {
	var body []any
	path, _ := m.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	switch member := m.Headers[dbus.FieldMember].Value().(string); member {
	case "Hello":
		body = []any{":1.99"}
	case "GetNameOwner":
		body = []any{":1.5"}
	case "ListSessions":
		type listed struct {
			ID         string
			UID        uint32
			User, Seat string
			Path       dbus.ObjectPath
		}
		all := []listed{}
		for _, s := range l.sessions {
			all = append(all, listed{s.id, 1000, "alice", "", s.path()})
		}
		body = []any{all}
	case "GetAll":
		s := l.sessions[path]
		body = []any{map[string]dbus.Variant{
			"Id": dbus.MakeVariant(s.id), "Name": dbus.MakeVariant("alice"), "Leader": dbus.MakeVariant(uint32(s.leader)),
			"Timestamp": dbus.MakeVariant(uint64(time.Now().UnixMicro())), "Service": dbus.MakeVariant(s.service),
			"TTY": dbus.MakeVariant(s.tty), "Class": dbus.MakeVariant(s.class), "State": dbus.MakeVariant("active"),
		}}
	}
	return encoded(dbus.TypeMethodReply, body, map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(m.Serial()), dbus.FieldSender: m.Headers[dbus.FieldDestination],
	})
}

func encoded(kind dbus.Type, body []any, headers map[dbus.HeaderField]dbus.Variant) []byte {
	if body != nil {
		headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	var buf bytes.Buffer
	must((&dbus.Message{Type: kind, Headers: headers, Body: body}).EncodeTo(&buf, binary.LittleEndian))
	binary.LittleEndian.PutUint32(buf.Bytes()[8:], 1) // its serial
	return buf.Bytes()
}

// begin has a session begin, change and end have one change and end, and all who listen are told.
func (l *login1) begin(s logindSession) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sessions[s.path()] = s
	return l.tell(logindObject, logindManager, "SessionNew", s.id, s.path())
}

func (l *login1) change(s logindSession) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tell(s.path(), "org.freedesktop.DBus.Properties", "PropertiesChanged",
		"org.freedesktop.login1.Session", map[string]dbus.Variant{}, []string{"State"})
}

func (l *login1) end(s logindSession) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sessions, s.path())
	return l.tell(logindObject, logindManager, "SessionRemoved", s.id, s.path())
}

func (l *login1) tell(path dbus.ObjectPath, of, member string, body ...any) error {
	m := encoded(dbus.TypeSignal, body, map[dbus.HeaderField]dbus.Variant{
		dbus.FieldSender: dbus.MakeVariant(":1.5"), dbus.FieldPath: dbus.MakeVariant(path),
		dbus.FieldInterface: dbus.MakeVariant(of), dbus.FieldMember: dbus.MakeVariant(member),
	})
	for conn := range l.conns {
		if _, err := conn.Write(m); err != nil {
			return err
		}
	}
	return nil
}

// besideLogin1 makes a command see the bus as the machine's, in a mount namespace of its own, and
// no terminals: others open some meanwhile.
func besideLogin1(bus *login1, command []string) []string {
	script := "mount -t devpts -o newinstance devpts /dev/pts && mount -t tmpfs none /run && mkdir /run/dbus && mount --bind '" + bus.dir + "' /run/dbus && exec " + strings.Join(command, " ")
	return []string{"/usr/bin/unshare", "-m", "/bin/sh", "-c", script}
}
