// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"utmpd.dev/utmpd/internal/sysfile"
)

// compression is a format of compressed files.
type compression struct {
	magic string // with which a file begins
	open  func(file *io.SectionReader) (io.Reader, func(), error)
}

// Each decompressor takes a bounded amount of memory, whatever the file says: gzip and
// bzip2 by their nature.
var compressions = []compression{
	{"\x1f\x8b", func(file *io.SectionReader) (io.Reader, func(), error) {
		z, err := gzip.NewReader(bufio.NewReader(file))
		return z, nothing, err
	}},
	{"BZh", func(file *io.SectionReader) (io.Reader, func(), error) {
		return bzip2.NewReader(bufio.NewReader(file)), nothing, nil
	}},
	{"\xfd7zXZ\x00", openXZ},
	{"\x28\xb5\x2f\xfd", openZstd},
	{"\x1f\x9d", func(*io.SectionReader) (io.Reader, func(), error) { return nil, nothing, ErrCompression }},
}

// maxWindow is the largest window of a file in the format of zstd: that of zstd --ultra -22,
// and the largest that zstd -d takes unless told otherwise.
const maxWindow = 128 << 20

func openZstd(file *io.SectionReader) (io.Reader, func(), error) {
	z, err := zstd.NewReader(bufio.NewReader(file), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, nothing, err
	}
	return zstdReader{z}, z.Close, nil
}

// zstdReader says what to do about a window that is too large.
type zstdReader struct{ io.Reader }

func (z zstdReader) Read(p []byte) (int, error) {
	n, err := z.Reader.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = fmt.Errorf("zstd: it needs a window of more than %d MB: decompress it by zstd -d --long=31", maxWindow>>20)
	}
	return n, err
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

// A file may hold maxRatio times its own size, or smallest if that is more. Records hold
// times and numbers, and shrink to a hundredth at most; what was made to use up time and
// memory shrinks to less than a thousandth.
const (
	maxRatio = 1000
	smallest = 64 << 20
)

// stream decompresses the file from its beginning.
func (f *File) stream() (stream, error) {
	r, done, err := f.compression.open(io.NewSectionReader(f.h, 0, f.size))
	if err != nil {
		return stream{}, sysfile.Wrap("read", f.name, err)
	}
	return stream{&limited{r, max(maxRatio*f.size, smallest)}, done}, nil
}

// limited ends with an error after so many bytes.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errBomb
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
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
