// SPDX-License-Identifier: BSD-2-Clause

package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// MaxRead is the size of the largest file that [Read] reads.
const MaxRead = 64 << 10

// ErrUnfit is the error of what cannot be a small file that [Write] wrote.
var ErrUnfit = errors.New("unfit")

// Read reads a small file. It follows no link, waits for no pipe or device, and takes memory
// for no more than MaxRead: whoever may write the directory can be less trusted than the
// caller. The error wraps fs.ErrNotExist if there is no file, and ErrUnfit if it is no
// regular file or too large.
func Read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) {
		return nil, unfit(path, "is not a regular file")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, unfit(path, "is not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxRead+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxRead {
		return nil, unfit(path, fmt.Sprintf("has more than %d bytes", MaxRead))
	}
	return b, nil
}

func unfit(path, why string) error {
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w: it %s", ErrUnfit, why)}
}
