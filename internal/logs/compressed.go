// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"utmpd.dev/utmpd/internal/sysfile"
)

// compression is a format of compressed files.
type compression struct {
	magic string // with which a file begins
	open  func(r io.Reader) (io.Reader, func(), error)
}

var compressions = []compression{
	{"\x1f\x8b", func(r io.Reader) (io.Reader, func(), error) {
		z, err := gzip.NewReader(r)
		return z, nothing, err
	}},
	{"BZh", func(r io.Reader) (io.Reader, func(), error) { return bzip2.NewReader(r), nothing, nil }},
	{"\xfd7zXZ\x00", func(r io.Reader) (io.Reader, func(), error) {
		z, err := xz.NewReader(r)
		return z, nothing, err
	}},
	{"\x28\xb5\x2f\xfd", func(r io.Reader) (io.Reader, func(), error) {
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<28))
		if err != nil {
			return nil, nothing, err
		}
		return z, z.Close, nil
	}},
	{"\x1f\x9d", func(io.Reader) (io.Reader, func(), error) { return nil, nothing, ErrCompression }},
}

// magicSize is the length of the longest magic.
const magicSize = 6

func nothing() {}

// compressionOf returns the compression of a file that begins with head, nil for
// a plain one. The name does not count: it may be any.
func compressionOf(head []byte) *compression {
	for i := range compressions {
		if strings.HasPrefix(string(head), compressions[i].magic) {
			return &compressions[i]
		}
	}
	return nil
}

// stream is what a compressed file holds, read once from its beginning.
type stream struct {
	io.Reader
	close func()
}

// stream decompresses the file from its beginning.
func (f *File) stream() (stream, error) {
	raw := bufio.NewReader(io.NewSectionReader(f.h, 0, f.size))
	r, done, err := f.compression.open(raw)
	if err != nil {
		return stream{}, sysfile.Wrap("read", f.name, err)
	}
	return stream{r, done}, nil
}

// readFull fills b. Its error is io.EOF only at the end of the whole stream:
// io.ErrUnexpectedEOF is that of a compressed file that was cut.
func (s stream) readFull(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = s.Read(b[n:])
		n += k
	}
	return n, err
}
