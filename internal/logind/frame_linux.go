// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/godbus/dbus/v5"
)

const (
	// frameMost is the size of the largest message that is looked at. A list of 30,000
	// sessions fits. The bus lets everybody send larger ones to everybody.
	frameMost = 4 << 20
	// frameLimit is the size of the largest message there may be.
	//
	// Source: D-Bus Specification, Message Format.
	frameLimit = 128 << 20

	headSize = 16 // the part of a header that has a constant size
)

var errFrame = errors.New("not a D-Bus message")

// frame is a message that was not decoded, and what its header says.
type frame struct {
	bytes   []byte
	order   binary.ByteOrder
	kind    dbus.Type
	sender  string // the bus sets it
	replyTo uint32 // the serial of the call, if it is a reply
}

// readFrame reads one message. It returns nil for one that is skipped: it is too large, its
// header is odd, or nobody whom believed reports has sent it. That costs no memory. An error
// means that no further message can be found.
func readFrame(in *bufio.Reader, believed func(sender []byte) bool) (*frame, error) {
	head, err := in.Peek(headSize)
	if err != nil {
		return nil, err
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch head[0] {
	case 'l':
	case 'B':
		order = binary.BigEndian
	default:
		return nil, errFrame
	}
	fields, body := uint64(order.Uint32(head[12:])), uint64(order.Uint32(head[4:]))
	size := headSize + (fields+7)&^7 + body
	if head[3] != 1 || size > frameLimit {
		return nil, errFrame
	}
	skip := size > frameMost || headSize+fields > uint64(in.Size())
	var h header
	if !skip {
		if head, err = in.Peek(int(headSize + fields)); err != nil {
			return nil, unexpected(err)
		}
		h.order = order
		skip = !h.read(head[headSize:]) || !believed(h.sender)
	}
	if skip {
		_, err := in.Discard(int(size))
		return nil, err
	}
	f := &frame{order: order, kind: dbus.Type(head[1]), sender: string(h.sender), replyTo: h.replyTo, bytes: make([]byte, size)}
	if _, err := io.ReadFull(in, f.bytes); err != nil {
		return nil, err
	}
	return f, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// header is what the header of a message says. The body is read only if that is right: it
// may be anything, and becomes many times larger.
type header struct {
	order   binary.ByteOrder
	sender  []byte
	replyTo uint32
}

// read takes the sender and the serial of the call out of the header's fields.
//
// Source: D-Bus Specification, Header Fields: an array of structures, each aligned to
// eight bytes, of a code and a variant.
func (h *header) read(b []byte) (ok bool) {
	for at := 0; at < len(b); at = (at + 7) &^ 7 {
		if len(b)-at < 4 || b[at+1] != 1 {
			return false
		}
		code, sig := dbus.HeaderField(b[at]), b[at+2]
		at += 4
		switch sig {
		case 'u', 's', 'o':
			if len(b)-at < 4 {
				return false
			}
			n := h.order.Uint32(b[at:])
			at += 4
			if sig == 'u' {
				if code == dbus.FieldReplySerial {
					h.replyTo = n
				}
				break
			}
			if uint64(n) >= uint64(len(b)-at) {
				return false
			}
			if code == dbus.FieldSender {
				h.sender = b[at : at+int(n)]
			}
			at += int(n) + 1
		case 'g':
			if len(b)-at < 1 || int(b[at])+2 > len(b)-at {
				return false
			}
			at += int(b[at]) + 2
		default:
			return false
		}
	}
	return true
}

// decode decodes the whole message.
func (f *frame) decode() (m *dbus.Message, err error) {
	defer func() {
		if p := recover(); p != nil { // the codec panics on what it did not think of
			err = fmt.Errorf("%w: %v", errFrame, p)
		}
	}()
	return dbus.DecodeMessage(bytes.NewReader(f.bytes))
}

// encode returns the bytes of a message with that serial, which the codec cannot set.
func encode(m *dbus.Message, serial uint32) ([]byte, error) {
	var buf bytes.Buffer
	if err := m.EncodeTo(&buf, binary.LittleEndian); err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint32(buf.Bytes()[8:], serial)
	return buf.Bytes(), nil
}
