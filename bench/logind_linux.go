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
	"time"

	"github.com/godbus/dbus/v5"
)

// login1 is a system bus with a logind that has one session, by ssh and without a terminal, and
// says nothing unless it is asked.
type login1 struct {
	dir string // has the socket
	net.Listener
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
	bus := &login1{dir, l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return bus, nil
}

func (l *login1) close() {
	l.Close()
	os.RemoveAll(l.dir)
}

func serve(conn net.Conn) {
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
	for {
		m, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		if _, err := conn.Write(reply(m)); err != nil {
			return
		}
	}
}

func reply(m *dbus.Message) []byte {
	var body []any
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
		body = []any{[]listed{{"7", 1000, "alice", "", "/org/freedesktop/login1/session/_37"}}}
	case "GetAll":
		body = []any{map[string]dbus.Variant{
			"Id": dbus.MakeVariant("7"), "Name": dbus.MakeVariant("alice"), "Leader": dbus.MakeVariant(uint32(os.Getpid())),
			"Timestamp": dbus.MakeVariant(uint64(time.Now().UnixMicro())), "Service": dbus.MakeVariant("sshd"),
			"Class": dbus.MakeVariant("user"), "State": dbus.MakeVariant("active"),
		}}
	}
	headers := map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(m.Serial()), dbus.FieldSender: m.Headers[dbus.FieldDestination],
	}
	if body != nil {
		headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	var buf bytes.Buffer
	must((&dbus.Message{Type: dbus.TypeMethodReply, Headers: headers, Body: body}).EncodeTo(&buf, binary.LittleEndian))
	binary.LittleEndian.PutUint32(buf.Bytes()[8:], 1) // its serial
	return buf.Bytes()
}

// besideLogin1 makes a command see the bus as the machine's, in a mount namespace of its own, and
// no terminals: others open some meanwhile.
func besideLogin1(bus *login1, command []string) []string {
	script := "mount -t devpts -o newinstance devpts /dev/pts && mount -t tmpfs none /run && mkdir /run/dbus && mount --bind '" + bus.dir + "' /run/dbus && exec " + strings.Join(command, " ")
	return []string{"/usr/bin/unshare", "-m", "/bin/sh", "-c", script}
}
