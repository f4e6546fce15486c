// SPDX-License-Identifier: BSD-2-Clause

package snapshot

import (
	"encoding/binary"
	"strings"
)

// chunkRecords is the number of records in one chunk of a snapshot, so that one change in a
// file of ten thousand records costs one chunk.
const chunkRecords = 32

// chunk holds up to [chunkRecords] records without their runs of zeros, which are four
// fifths of a usual login: 384 bytes take about 80. Each record is a list of pieces: the
// number of zeros before it, its length, both of 2 bytes, and its bytes. What follows the
// last piece is zero. The same bytes are always packed in the same way.
type chunk struct {
	data string
	ends [chunkRecords]uint32 // where each record ends in data
	n    int                  // records
	size int                  // bytes of one
}

// minRun is how many zeros are left out at least. Shorter runs cost more time, when a
// reading is compared, than their memory is worth.
const minRun = 16

const (
	zeros = zeros64 + zeros64 + zeros64 + zeros64

	zeros16 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	zeros64 = zeros16 + zeros16 + zeros16 + zeros16
)

// newChunk packs the records in p, of size bytes each. buf is memory for its work, which
// it returns.
func newChunk(p []byte, size int, buf []byte) (*chunk, []byte) {
	c := &chunk{n: len(p) / size, size: size}
	buf = buf[:0]
	for i := range c.n {
		buf = pack(buf, p[i*size:(i+1)*size])
		c.ends[i] = uint32(len(buf))
	}
	c.data = string(buf)
	return c, buf
}

// pack appends the pieces of one record.
func pack(b, record []byte) []byte {
	for at := 0; ; {
		from := at + leadingZeros(record[at:])
		if from == len(record) {
			return b
		}
		to := from + 1 // after the last byte of the piece
		for next := to; next < len(record); {
			run := leadingZeros(record[next:])
			if run >= minRun || next+run == len(record) {
				break
			}
			next += run + 1
			to = next
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(from-at))
		b = binary.LittleEndian.AppendUint16(b, uint16(to-from))
		b = append(b, record[from:to]...)
		at = to
	}
}

func leadingZeros(b []byte) int {
	for i, c := range b {
		if c != 0 {
			return i
		}
	}
	return len(b)
}

// piece returns the first piece of a packed record, and what follows it.
func piece(packed string) (gap int, bytes, rest string) {
	_ = packed[3]
	gap = int(packed[0]) | int(packed[1])<<8
	n := int(packed[2]) | int(packed[3])<<8
	return gap, packed[4 : 4+n], packed[4+n:]
}

// packed returns a record as it is kept.
func (c *chunk) packed(i int) string {
	if i == 0 {
		return c.data[:c.ends[0]]
	}
	return c.data[c.ends[i-1]:c.ends[i]]
}

// raw returns the bytes of a record, in memory of their own.
func (c *chunk) raw(i int) string {
	var b strings.Builder
	b.Grow(c.size)
	c.unpack(&b, i)
	return b.String()
}

// all returns the bytes of all records.
func (c *chunk) all() string {
	var b strings.Builder
	b.Grow(c.n * c.size)
	for i := range c.n {
		c.unpack(&b, i)
	}
	return b.String()
}

func (c *chunk) unpack(b *strings.Builder, i int) {
	left := c.size
	for packed := c.packed(i); packed != ""; {
		gap, bytes, rest := piece(packed)
		writeZeros(b, gap)
		b.WriteString(bytes)
		left -= gap + len(bytes)
		packed = rest
	}
	writeZeros(b, left)
}

func writeZeros(b *strings.Builder, n int) {
	for ; n > len(zeros); n -= len(zeros) {
		b.WriteString(zeros)
	}
	b.WriteString(zeros[:n])
}

// bytes returns how many bytes the records have in the file.
func (c *chunk) bytes() int { return c.n * c.size }

// begins reports whether the bytes of the records begin with p. It allocates nothing unless
// p ends within a record: it runs over the whole file at each reading.
func (c *chunk) begins(p []byte) bool {
	if len(p) > c.bytes() {
		return false
	}
	whole := len(p) / c.size
	for i := range whole {
		if !equal(c.packed(i), p[i*c.size:(i+1)*c.size]) {
			return false
		}
	}
	tail := p[whole*c.size:]
	return len(tail) == 0 || c.raw(whole)[:len(tail)] == string(tail)
}

// is reports whether p is the bytes of all records.
func (c *chunk) is(p []byte) bool { return len(p) == c.bytes() && c.begins(p) }

// equal reports whether record has the bytes that are packed.
func equal(packed string, record []byte) bool {
	for packed != "" {
		gap, bytes, rest := piece(packed)
		if !areZeros(record[:gap]) || string(record[gap:gap+len(bytes)]) != bytes {
			return false
		}
		record, packed = record[gap+len(bytes):], rest
	}
	return areZeros(record)
}

func areZeros(b []byte) bool {
	for len(b) > len(zeros) {
		if string(b[:len(zeros)]) != zeros {
			return false
		}
		b = b[len(zeros):]
	}
	return string(b) == zeros[:len(b)]
}
