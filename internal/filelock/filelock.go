// SPDX-License-Identifier: BSD-2-Clause

// Package filelock locks a whole file for the life of an open file.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrLocked is the error of [Try] while another open file has the lock.
var ErrLocked = errors.New("locked by another process")

// Try takes an exclusive lock on f, which must be open for writing, and does not
// wait: if another open file has a lock, also in this process, the error is
// [ErrLocked]. The kernel gives the lock up when f is closed or the process ends.
func Try(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("filelock: %w", err)
	}
	var lockErr error
	if err := c.Control(func(fd uintptr) { lockErr = try(fd) }); err != nil {
		return fmt.Errorf("filelock: %w", err)
	}
	if errors.Is(lockErr, syscall.EAGAIN) || errors.Is(lockErr, syscall.EACCES) {
		return fmt.Errorf("filelock: %s: %w", f.Name(), ErrLocked)
	}
	if lockErr != nil {
		return fmt.Errorf("filelock: %s: %w", f.Name(), lockErr)
	}
	return nil
}
