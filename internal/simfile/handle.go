// SPDX-License-Identifier: BSD-2-Clause

package simfile

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/sysfile"
)

// handle is an open file description.
type handle struct {
	view
	name   string
	n      *inode
	mode   sysfile.OpenMode
	closed bool
}

func (h *handle) fail(op string, err error) error {
	return &fs.PathError{Op: op, Path: h.name, Err: err}
}

// begin asks for a fault and locks the system. The caller must unlock it, also
// after an error.
func (h *handle) begin(op Op) (*Fault, error) {
	op.Name = h.name
	f := h.call(op)
	h.s.mu.Lock()
	if h.closed {
		return nil, h.fail(string(op.Call), fs.ErrClosed)
	}
	if f != nil && op.Len == 0 {
		return nil, h.fail(string(op.Call), f.Err)
	}
	return f, nil
}

func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	f, err := h.begin(Op{Call: Read, Offset: off, Len: len(p)})
	defer h.s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n := 0
	if off < int64(len(h.n.data)) {
		n = copy(p, h.n.data[off:])
	}
	if h.mode == sysfile.ReadOnly {
		h.n.atime = h.s.now()
	}
	switch {
	case f != nil:
		return min(n, f.N), h.fail("read", f.Err)
	case n < len(p):
		return n, io.EOF
	}
	return n, nil
}

func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	f, err := h.begin(Op{Call: Write, Offset: off, Len: len(p)})
	defer h.s.mu.Unlock()
	if err == nil && h.mode != sysfile.ReadWrite {
		err = h.fail("write", errors.New("not opened for writing at an offset"))
	}
	if err != nil {
		return 0, err
	}
	return h.store(p, off, f)
}

func (h *handle) Append(p []byte) (int, error) {
	f, err := h.begin(Op{Call: Append, Len: len(p)})
	defer h.s.mu.Unlock()
	if err == nil && h.mode != sysfile.AppendOnly {
		err = h.fail("write", errors.New("not opened for appending"))
	}
	if err != nil {
		return 0, err
	}
	return h.store(p, int64(len(h.n.data)), f)
}

// store writes p, or with a fault its first bytes.
func (h *handle) store(p []byte, off int64, f *Fault) (int, error) {
	n := len(p)
	if f != nil {
		n = min(f.N, n)
	}
	if n > 0 {
		if end := int(off) + n; end > len(h.n.data) {
			h.n.data = append(h.n.data, make([]byte, end-len(h.n.data))...)
		}
		copy(h.n.data[off:], p[:n])
		h.n.mtime = h.s.changed()
	}
	if f != nil {
		return n, h.fail("write", f.Err)
	}
	return n, nil
}

func (h *handle) Truncate(size int64) error {
	_, err := h.begin(Op{Call: Truncate, Offset: size})
	defer h.s.mu.Unlock()
	if err == nil && (h.mode == sysfile.ReadOnly || h.mode == sysfile.ReadUnseen) {
		err = h.fail("truncate", fs.ErrInvalid)
	}
	if err != nil {
		return err
	}
	if int(size) <= len(h.n.data) {
		h.n.data = slices.Clip(h.n.data[:size])
	} else {
		h.n.data = append(h.n.data, make([]byte, int(size)-len(h.n.data))...)
	}
	h.n.mtime = h.s.changed()
	return nil
}

func (h *handle) Info() (sysfile.Info, error) {
	_, err := h.begin(Op{Call: Stat})
	defer h.s.mu.Unlock()
	return h.n.info(), err
}

func (h *handle) SetAccessTime(t time.Time) error {
	_, err := h.begin(Op{Call: Utime})
	defer h.s.mu.Unlock()
	if err == nil {
		h.n.atime = t
	}
	return err
}

func (h *handle) Sync() error {
	_, err := h.begin(Op{Call: Sync})
	defer h.s.mu.Unlock()
	return err
}

// Close releases the lock of this description or, for a process with POSIX locks,
// that process's lock on the file.
func (h *handle) Close() error {
	_, err := h.begin(Op{Call: Close})
	defer h.s.mu.Unlock()
	if h.closed {
		return err
	}
	h.closed = true
	h.s.open--
	h.n.release(h.owner())
	return err
}
