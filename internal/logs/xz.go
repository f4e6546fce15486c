// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// maxDictionary is the largest dictionary that a file in the format of xz may need: that
// of xz -9.
const maxDictionary = 64 << 20

// openXZ decompresses a file in the format of xz. The decoder takes as much memory as the
// header of each block tells it, so it gets headers that tell what the block needs.
func openXZ(file *io.SectionReader) (io.Reader, func(), error) {
	z, err := xz.NewReader(bufio.NewReader(&frugalXZ{file: file}))
	return z, nothing, err
}

// frugalXZ is a file in the format of xz as it is, but for the size of the dictionary in
// the headers of its blocks: at most what the block holds once decompressed, which its
// chunks tell. A block that needs more than maxDictionary is an error.
//
// Source: The .xz File Format, 1.2.0; LZMA2 chunks as in XZ Embedded's xz_dec_lzma2.c.
type frugalXZ struct {
	file  *io.SectionReader
	off   int64  // of the next byte to hand out
	upTo  int64  // the bytes before it are handed out as they are
	head  []byte // handed out in place of those at off
	check int64  // size of each block's check
	in    bool   // a stream has begun, and its index is still to come

	buf  [4096]byte // the bytes of the file from bufOff on
	from int64
	n    int
}

var errXZ = errors.New("xz: damaged")

func (x *frugalXZ) Read(p []byte) (int, error) {
	if len(x.head) == 0 && x.off >= x.upTo {
		if err := x.next(); err != nil {
			return 0, err
		}
	}
	if len(x.head) > 0 {
		n := copy(p, x.head)
		x.head = x.head[n:]
		return n, nil
	}
	n, err := x.file.ReadAt(p[:min(int64(len(p)), x.upTo-x.off)], x.off)
	x.off += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// next looks at what begins at off: a stream, the padding between two, a block, or the
// index at a stream's end.
func (x *frugalXZ) next() error {
	switch first, err := x.at(x.off, 1); {
	case err != nil:
		return err
	case x.in && first[0] == 0:
		return x.index()
	case x.in:
		return x.block(int64(first[0]))
	case first[0] == 0:
		x.upTo = x.off + 4
		return nil
	}
	return x.stream()
}

// stream takes a stream's header.
func (x *frugalXZ) stream() error {
	b, err := x.at(x.off, 12)
	if err != nil {
		return err
	}
	// The decoder reports another magic and a wrong sum.
	x.check = [16]int64{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[b[7]&15]
	x.in, x.upTo = true, x.off+12
	return nil
}

// block replaces a block's header, and passes the rest of it.
func (x *frugalXZ) block(size int64) error {
	size = 4 * (size + 1)
	b, err := x.at(x.off, size)
	if err != nil {
		return err
	}
	b = append([]byte(nil), b...)
	at, err := dictionaryAt(b)
	if err != nil {
		return err
	}
	dict, err := lzma.DecodeDictCap(b[at])
	if err != nil {
		return errXZ
	}
	packed, unpacked := x.chunks(x.off + size)
	if need := min(dict, max(unpacked, lzma.MinDictCap)); need > maxDictionary {
		return fmt.Errorf("xz: it needs a dictionary of %d MB, more than %d MB: decompress it by xz -d", dict>>20, maxDictionary>>20)
	} else if need < dict {
		b[at] = lzma.EncodeDictCap(need)
		binary.LittleEndian.PutUint32(b[size-4:], crc32.ChecksumIEEE(b[:size-4]))
	}
	x.head = b
	x.off += size
	x.upTo = x.off + packed + (-packed & 3) + x.check
	return nil
}

// dictionaryAt returns where a block's header has the size of the dictionary. It has one
// filter, LZMA2, as the decoder demands too, and the right sum: a wrong one must not
// become right.
func dictionaryAt(b []byte) (int, error) {
	n := len(b) - 4
	if n < 4 || crc32.ChecksumIEEE(b[:n]) != binary.LittleEndian.Uint32(b[n:]) {
		return 0, errXZ
	}
	if b[1]&0x3f != 0 {
		return 0, errors.New("xz: compressed by a filter that is not supported")
	}
	at := 2
	for _, there := range []bool{b[1]&0x40 != 0, b[1]&0x80 != 0} { // both sizes
		if there {
			_, k := binary.Uvarint(b[at:n])
			if k <= 0 {
				return 0, errXZ
			}
			at += k
		}
	}
	if at+3 > n {
		return 0, errXZ
	}
	if b[at] != 0x21 || b[at+1] != 1 {
		return 0, errors.New("xz: compressed by a filter that is not supported")
	}
	return at + 2, nil
}

// chunks returns the size of the chunks that begin at off, packed and unpacked. Where
// they end before their time, the decoder reports it.
func (x *frugalXZ) chunks(off int64) (packed, unpacked int64) {
	for at := off; ; {
		b, err := x.at(at, 1)
		if err != nil {
			return at - off, unpacked
		}
		control := b[0]
		size := 3
		switch {
		case control == 0: // the end
			return at + 1 - off, unpacked
		case control >= 0xc0:
			size = 6
		case control >= 0x80:
			size = 5
		case control > 2:
			return at + 1 - off, unpacked
		}
		if b, err = x.at(at, int64(size)); err != nil {
			return at + 1 - off, unpacked
		}
		holds := int64(binary.BigEndian.Uint16(b[1:])) + 1
		at += int64(size)
		if control < 0x80 {
			at += holds
		} else {
			holds += int64(control&0x1f) << 16
			at += int64(binary.BigEndian.Uint16(b[3:])) + 1
		}
		unpacked += holds
	}
}

// index passes the index and the footer of a stream.
func (x *frugalXZ) index() error {
	at := x.off + 1
	number := func() (v uint64, err error) {
		for shift := 0; shift < 63; shift += 7 {
			b, err := x.at(at, 1)
			if err != nil {
				return 0, err
			}
			at++
			v |= uint64(b[0]&0x7f) << shift
			if b[0] < 0x80 {
				return v, nil
			}
		}
		return 0, errXZ
	}
	records, err := number()
	for i := uint64(0); i < records && err == nil; i++ {
		if _, err = number(); err == nil {
			_, err = number()
		}
	}
	if err != nil {
		return err
	}
	size := at - x.off
	x.upTo = x.off + size + (-size & 3) + 4 + 12
	x.in = false
	return nil
}

// at returns n bytes of the file, at most the length of buf. They are overwritten by the
// next call. Its error is io.EOF only if there are none at all.
func (x *frugalXZ) at(off, n int64) ([]byte, error) {
	if off < x.from || off+n > x.from+int64(x.n) {
		k, err := x.file.ReadAt(x.buf[:], off)
		if err != nil && err != io.EOF {
			return nil, err
		}
		x.from, x.n = off, k
		if k == 0 {
			return nil, io.EOF
		}
		if int64(k) < n {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return x.buf[off-x.from:][:n], nil
}
