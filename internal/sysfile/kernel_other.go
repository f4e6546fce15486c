// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux && !solaris

package sysfile

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// Elsewhere the package builds and reads; what needs a lock returns
// [errors.ErrUnsupported].
const (
	openFlags    = 0
	noAccessTime = 0
)

func fillInfo(*Info, fs.FileInfo) {}

func (h *kernelHandle) TryLock(LockKind) error { return errors.ErrUnsupported }
func (h *kernelHandle) Lock(LockKind) error    { return errors.ErrUnsupported }
func (h *kernelHandle) Unlock() error          { return errors.ErrUnsupported }

func (h *kernelHandle) Holder(LockKind) (int32, bool, error) {
	return 0, false, errors.ErrUnsupported
}

func (h *kernelHandle) SetAccessTime(t time.Time) error {
	return os.Chtimes(h.name, t, time.Time{})
}

func nativePaths(func(name string) bool) (file, log string) {
	return "/var/run/utmpx", "/var/log/wtmp"
}
