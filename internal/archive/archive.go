// SPDX-License-Identifier: BSD-2-Clause

// Package archive reads the files of a wtmpx log from their beginning to their
// end, compressed ones too.
package archive

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// ErrFormat is the error of a file in a compression that is not read here.
var ErrFormat = errors.New("unknown compression")

// File is one file of a log, open for reading.
type File struct {
	name  string
	r     *bufio.Reader // decompressed
	close []func() error
}

// OpenOwn opens a file of this machine's log. As utmpfile does, it takes regular
// files alone and follows root's symbolic links alone.
func OpenOwn(name string) (*File, error) {
	h, err := sysfile.Kernel().Open(name, sysfile.ReadUnseen)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err // the path is told already
		}
		return nil, fmt.Errorf("archive: open %s: %w", name, err)
	}
	info, err := h.Info()
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("archive: read %s: %w", name, err)
	}
	return decompress(name, io.NewSectionReader(h, 0, info.Size), h.Close)
}

// Open opens any regular file.
func Open(name string) (*File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: name, Err: sysfile.ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("archive: %w", err)
	}
	return decompress(name, f, f.Close)
}

// Close releases the file.
func (f *File) Close() error {
	var errs []error
	for _, c := range f.close {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// decompress goes by the first bytes and not by the name, which may be any.
func decompress(name string, r io.Reader, done func() error) (*File, error) {
	f := &File{name: name, close: []func() error{done}}
	raw := bufio.NewReaderSize(r, blockSize)
	head, err := raw.Peek(6)
	if err == io.EOF {
		err = nil
	}
	if err == nil {
		f.r, err = f.reader(raw, string(head))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("archive: read %s: %w", name, err)
	}
	return f, nil
}

func (f *File) reader(raw *bufio.Reader, head string) (*bufio.Reader, error) {
	var out io.Reader
	var err error
	switch {
	case strings.HasPrefix(head, "\x1f\x8b"):
		out, err = gzip.NewReader(raw)
	case strings.HasPrefix(head, "BZh"):
		out = bzip2.NewReader(raw)
	case head == "\xfd7zXZ\x00":
		out, err = xz.NewReader(raw)
	case strings.HasPrefix(head, "\x28\xb5\x2f\xfd"):
		var d *zstd.Decoder
		d, err = zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<28))
		if err == nil {
			f.close = append(f.close, func() error { d.Close(); return nil })
			out = d
		}
	case strings.HasPrefix(head, "\x1f\x9d"):
		return nil, ErrFormat
	default:
		return raw, nil
	}
	if err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(out, blockSize), nil
}

const (
	blockRecords = 1024
	blockSize    = blockRecords * utmpx.MaxSize
)

// Scan calls each for every record, from the first to the last, with its bytes in
// the layout that the file shows; they are overwritten once it returns. What is
// behind the last whole record is left out. After an error the records before it
// have been given. It takes no lock.
func (f *File) Scan(ctx context.Context, each func(l *utmpx.Layout, record []byte)) error {
	head, err := f.r.Peek(min(blockSize, f.r.Size()))
	if err != nil && err != io.EOF && len(head) == 0 {
		return fmt.Errorf("archive: read %s: %w", f.name, err)
	}
	layout, err := recfile.LayoutOf(head, nil)
	if err != nil {
		return fmt.Errorf("archive: read %s: %w", f.name, err)
	}
	size := layout.Size()
	block := make([]byte, blockRecords*size)
	for ctx.Err() == nil {
		n, err := io.ReadFull(f.r, block)
		for i := 0; i+size <= n; i += size {
			each(layout, block[i:i+size:i+size])
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF && f.ended() {
			return nil
		}
		if err != nil {
			return fmt.Errorf("archive: read %s: %w", f.name, err)
		}
	}
	return context.Cause(ctx)
}

// ended tells a file whose last block is short from one that was cut off in the
// midst of its compression.
func (f *File) ended() bool {
	_, err := f.r.Peek(1)
	return err == io.EOF
}
