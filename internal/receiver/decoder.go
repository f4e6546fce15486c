// SPDX-License-Identifier: BSD-2-Clause

package receiver

import "encoding/binary"

const (
	messageSize = 8       // int32 command, int32 pid
	maxPID      = 1 << 22 // the largest pid_max of Linux; illumos' is smaller
)

// decoder finds requests in a stream of bytes. The result does not depend on
// how the stream is split into calls of feed.
type decoder struct {
	rest    [messageSize]byte // the first bytes of an incomplete message
	n       int               // how many of rest are valid
	skipped int               // bytes since the last request that belong to none
	stats   Stats
}

// feed decodes b and calls yield for each request.
func (d *decoder) feed(b []byte, yield func(Request)) {
	// Decode the rest of the last call, completed by the first bytes of b.
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

// step decodes the message at the start of b. It returns where the next one may
// start: after this message, or, if it is invalid, one byte further.
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
	if d.skipped%messageSize == 0 { // count messages, not bytes
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

// partial reports whether a message is incomplete.
func (d *decoder) partial() bool { return d.n > 0 }

// dropPartial drops an incomplete message. The next byte starts a new one.
func (d *decoder) dropPartial() {
	d.stats.Partials++
	d.stats.Skipped += uint64(d.n)
	d.n, d.skipped = 0, 0
}
