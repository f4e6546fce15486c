// SPDX-License-Identifier: BSD-2-Clause

package receiver

import "encoding/binary"

const (
	messageSize = 8       // int32 command, int32 pid
	maxPID      = 1 << 22 // the largest pid_max of Linux; illumos' is smaller
)

// decoder finds requests in a stream of bytes. What it finds depends on the
// bytes alone, not on the pieces they come in.
type decoder struct {
	rest    [messageSize]byte // the start of a message whose end has not come
	n       int
	skipped int // bytes since the last request, all of them no part of one
	stats   Stats
}

// feed decodes b, calling yield for each request.
func (d *decoder) feed(b []byte, yield func(Request)) {
	// Until what was left over is used up, it is decoded with the first bytes
	// of b behind it.
	for d.n > 0 {
		n := copy(d.rest[d.n:], b)
		d.n += n
		b = b[n:]
		if d.n < messageSize {
			return
		}
		d.n = copy(d.rest[:], d.rest[d.step(d.rest[:], yield):])
	}
	for len(b) >= messageSize {
		b = b[d.step(b, yield):]
	}
	d.n = copy(d.rest[:], b)
}

// step decodes the message at the start of b and returns how far the next one
// may be: behind it, or where it is none, one byte on.
func (d *decoder) step(b []byte, yield func(Request)) int {
	command := Command(binary.NativeEndian.Uint32(b))
	pid := int32(binary.NativeEndian.Uint32(b[4:]))
	known := command == Add || command == Remove
	if known && 1 <= pid && pid <= maxPID {
		d.skipped = 0
		d.stats.Requests++
		yield(Request{Command: command, PID: pid})
		return messageSize
	}
	if d.skipped%messageSize == 0 { // count messages, not their bytes
		if known {
			d.stats.BadPIDs++
		} else {
			d.stats.BadCommands++
		}
	}
	d.skipped++
	d.stats.Skipped++
	return 1
}

// partial reports whether the start of a message waits for its end.
func (d *decoder) partial() bool { return d.n > 0 }

// dropPartial gives up the end of a message. What comes next is one's start.
func (d *decoder) dropPartial() {
	d.stats.Partials++
	d.stats.Skipped += uint64(d.n)
	d.n, d.skipped = 0, 0
}
