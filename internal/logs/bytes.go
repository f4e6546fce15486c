// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"fmt"
	"io"
)

// Bytes gives access to the bytes of a file at an offset, once decompressed: for one who
// looks at what damage is made of.
type Bytes struct {
	f *File
	u *unpacked // nil: the file is not compressed
}

// bytesMost is how many bytes of a compressed file can be read at once.
const bytesMost = 1 << 20

// Bytes returns the bytes of the file. A compressed one is decompressed again for them, as
// far as they are. The caller closes it.
func (f *File) Bytes() *Bytes {
	b := &Bytes{f: f}
	if f.compression != nil {
		b.u = &unpacked{f: f, keep: bytesMost + int(f.blockSize())}
	}
	return b
}

// ReadAt implements [io.ReaderAt].
func (b *Bytes) ReadAt(p []byte, off int64) (int, error) {
	if b.u == nil {
		return b.f.h.ReadAt(p, off)
	}
	if len(p) > bytesMost || off < 0 {
		return 0, fmt.Errorf("utmpfile: read %s: at most %d bytes at once", b.f.name, bytesMost)
	}
	data, err := b.u.at(off, off+int64(len(p)))
	if err != nil {
		return 0, err
	}
	if n := copy(p, data); n < len(p) {
		return n, io.ErrUnexpectedEOF
	}
	return len(p), nil
}

// Close ends the decompression.
func (b *Bytes) Close() {
	if b.u != nil {
		b.u.close()
	}
}
