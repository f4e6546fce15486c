// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

const (
	// patience is how long a call may take, and the rest of a message that has begun.
	patience = 5 * time.Second
	// queueMost is how many signals wait while a reply is awaited.
	queueMost = 1024

	driver = "org.freedesktop.DBus" // the bus itself
)

// bus is a connection to the system bus. One goroutine uses it; a second one only reads.
// Everything comes in the order in which it was sent.
type bus struct {
	conn   net.Conn
	in     *bufio.Reader
	frames chan *frame // unbuffered: what nobody takes waits in the socket
	broken error       // after frames was closed: why
	serial uint32
	owner  string                 // the unique name of logind: its signals and replies are believed
	heard  atomic.Pointer[string] // the same, for the reader
	queue  []*dbus.Message        // signals that came while a reply was awaited
	lost   bool                   // there were too many
}

// dialBus connects, authenticates, and says Hello. The connection ends with ctx.
func (s *Source) dialBus(ctx context.Context) (*bus, func(), error) {
	dial := s.dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: patience}).DialContext
	}
	conn, err := dial(ctx, "unix", s.Address)
	if err != nil {
		return nil, nil, err
	}
	if elsewhere(conn) {
		conn.Close()
		return nil, nil, errElsewhere
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	b := &bus{conn: conn, in: bufio.NewReader(conn), frames: make(chan *frame)}
	if err := b.authenticate(); err != nil {
		stop()
		conn.Close()
		return nil, nil, fmt.Errorf("authenticate at %s: %w", s.Address, err)
	}
	done := make(chan struct{})
	go b.read(done)
	hangUp := func() {
		stop()
		conn.Close()
		close(done)
		for range b.frames { // until the reader has ended
		}
	}
	if _, err := b.call(driver, "/org/freedesktop/DBus", driver+".Hello"); err != nil {
		hangUp()
		return nil, nil, err
	}
	return b, hangUp, nil
}

var errElsewhere = errors.New("the bus is that of another pid namespace: its logind counts processes otherwise")

// elsewhere reports whether whoever listens for a connection is in a pid namespace that this
// one does not contain, as the machine's bus is for a container that has its socket.
//
// Source: SO_PEERCRED in unix(7); a process that has no number here has the number 0.
func elsewhere(conn net.Conn) (is bool) {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	rc, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	_ = rc.Control(func(fd uintptr) {
		peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		is = err == nil && peer.Pid == 0
	})
	return is
}

// authenticate says who this process is. The kernel vouches for it.
//
// Source: D-Bus Specification, Authentication Protocol.
func (b *bus) authenticate() error {
	if err := b.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	uid := hex.EncodeToString([]byte(strconv.Itoa(os.Geteuid())))
	if _, err := b.conn.Write([]byte("\x00AUTH EXTERNAL " + uid + "\r\n")); err != nil {
		return err
	}
	line, err := b.in.ReadSlice('\n') // at most what the buffer holds
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(line), "OK ") {
		return fmt.Errorf("it says %q", line)
	}
	_, err = b.conn.Write([]byte("BEGIN\r\n"))
	return err
}

// read hands out the messages until the connection breaks. There may be none for ever, but
// one that has begun must come.
func (b *bus) read(done <-chan struct{}) {
	defer close(b.frames)
	for {
		if b.broken = b.conn.SetReadDeadline(time.Time{}); b.broken != nil {
			return
		}
		if _, b.broken = b.in.Peek(1); b.broken != nil {
			return
		}
		if b.broken = b.conn.SetReadDeadline(time.Now().Add(patience)); b.broken != nil {
			return
		}
		var f *frame
		if f, b.broken = readFrame(b.in, b.believes); b.broken != nil {
			return
		}
		if f == nil {
			continue
		}
		select {
		case b.frames <- f:
		case <-done:
			return
		}
	}
}

// call calls a method and returns the body of its reply. It gives up, for good, after
// patience: a late reply would be of no use. Signals that come meanwhile are queued. It
// starts no service.
func (b *bus) call(to, path, method string, args ...any) ([]any, error) {
	dot := strings.LastIndexByte(method, '.')
	m := &dbus.Message{Type: dbus.TypeMethodCall, Flags: dbus.FlagNoAutoStart, Body: args, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(to),
		dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath(path)),
		dbus.FieldInterface:   dbus.MakeVariant(method[:dot]),
		dbus.FieldMember:      dbus.MakeVariant(method[dot+1:]),
	}}
	if len(args) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(args...))
	}
	b.serial++
	text, err := encode(m, b.serial)
	if err != nil {
		return nil, err
	}
	if err := b.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := b.conn.Write(text); err != nil {
		return nil, fmt.Errorf("call %s: %w", method, err)
	}
	reply, err := b.await(to)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", method, err)
	}
	return reply.Body, nil
}

// refused is an error that the other side replied.
type refused struct{ name, text string }

func (r *refused) Error() string { return fmt.Sprintf("%s: %q", r.name, r.text) }

// isRefused reports whether err is one of these replies.
func isRefused(err error, names ...string) bool {
	var r *refused
	return errors.As(err, &r) && slices.Contains(names, r.name)
}

// await reads until the reply to the last call.
func (b *bus) await(from string) (*dbus.Message, error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		var f *frame
		select {
		case f = <-b.frames:
		case <-late.C:
			return nil, os.ErrDeadlineExceeded
		}
		switch {
		case f == nil:
			return nil, b.broken
		case f.kind == dbus.TypeSignal:
			b.enqueue(f)
		case f.replyTo != b.serial:
		case f.sender != from && (f.kind != dbus.TypeError || f.sender != driver): // the bus itself refuses, too
		case f.kind == dbus.TypeMethodReply:
			return f.decode()
		case f.kind == dbus.TypeError:
			m, err := f.decode()
			if err != nil {
				return nil, err
			}
			r := &refused{}
			r.name, _ = m.Headers[dbus.FieldErrorName].Value().(string)
			if len(m.Body) > 0 {
				r.text, _ = m.Body[0].(string)
			}
			return nil, r
		}
	}
}

func (b *bus) enqueue(f *frame) {
	m := b.believed(f)
	if m == nil {
		return
	}
	if len(b.queue) >= queueMost {
		b.lost = true
		return
	}
	b.queue = append(b.queue, m)
}

// believes reports whether somebody's messages are read: those of logind and of the bus
// itself. What a new logind says before its name is known, the list knows that follows.
func (b *bus) believes(sender []byte) bool {
	owner := b.heard.Load()
	return string(sender) == driver || owner != nil && string(sender) == *owner
}

// setOwner has the logind with this unique name believed; "": none.
func (b *bus) setOwner(name string) {
	b.owner = name
	b.heard.Store(&name)
}

// believed decodes a signal of the bus or of logind. It returns nil for any other: every
// user of the machine can send one, with any name but the sender's.
func (b *bus) believed(f *frame) *dbus.Message {
	if f.sender != driver && (b.owner == "" || f.sender != b.owner) {
		return nil
	}
	m, err := f.decode()
	if err != nil {
		return nil
	}
	return m
}

// forget drops the queued signals that are not the bus's own.
func (b *bus) forget() {
	b.queue = slices.DeleteFunc(b.queue, func(m *dbus.Message) bool {
		return m.Headers[dbus.FieldSender].Value() != driver
	})
}

// next returns the next signal. It waits for it without a limit, and returns nil if it was
// woken, or it was time, before one came.
func (b *bus) next(wake <-chan struct{}, late <-chan time.Time) (m *dbus.Message, woken bool, err error) {
	for len(b.queue) == 0 {
		select {
		case f := <-b.frames:
			if f == nil {
				return nil, false, b.broken
			}
			if f.kind == dbus.TypeSignal {
				b.enqueue(f)
			}
		case <-wake:
			return nil, true, nil
		case <-late:
			return nil, false, nil
		}
	}
	m = b.queue[0]
	b.queue = b.queue[1:]
	return m, false, nil
}
