// SPDX-License-Identifier: BSD-2-Clause

package repair

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// setTimes sets the times of an open file, whatever has its name by now: others than root may
// write the directory of a log.
func setTimes(f *os.File, accessed, modified time.Time) error {
	return os.Chtimes(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), accessed, modified)
}

// lockDir makes sure that one repair is at work in a directory. The lock ends with the
// process. Where directories have no locks, there is none.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		d.Close()
		return nil, fmt.Errorf("another repair is at work in %s", dir)
	}
	return func() {
		// A child that was just forked may still have the descriptor.
		_ = unix.Flock(int(d.Fd()), unix.LOCK_UN)
		d.Close()
	}, nil
}

// Attributes of files.
//
// Source: FS_IMMUTABLE_FL and FS_APPEND_FL in the kernel's uapi/linux/fs.h.
const (
	immutable  = 0x10
	appendOnly = 0x20
)

// changeable returns an error if the file's attributes do not let it be replaced.
func changeable(name string) error {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_NOATIME, 0)
	if errors.Is(err, os.ErrPermission) {
		f, err = os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil && flags&(immutable|appendOnly) != 0 {
		return ErrFlags
	}
	return nil
}

// Who may write to a file that has lost its name.
type writers int

const (
	writersSome writers = iota
	writersNone
	writersUnknown
)

// unwritten reports whether any process has a file open for writing: then the kernel
// grants no read lease on it.
//
// Source: F_SETLEASE in fcntl(2).
func unwritten(name string) writers {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return writersUnknown
	}
	defer f.Close()
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	switch {
	case err == nil:
		// To close it ends the lease only once a program that is started just now, and has
		// the descriptor too, is executed.
		_, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
		return writersNone
	case errors.Is(err, unix.EAGAIN):
		return writersSome
	}
	return writersUnknown
}

// copyAttributes copies the extended attributes, of which access control lists and
// security labels are some.
func copyAttributes(to *os.File, from string) (notes []string, err error) {
	names := make([]byte, 1<<16)
	n, err := unix.Llistxattr(from, names)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	value := make([]byte, 1<<16)
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		k, err := unix.Lgetxattr(from, name, value)
		if err == nil {
			err = unix.Fsetxattr(int(to.Fd()), name, value[:k], 0)
		}
		if err != nil {
			notes = append(notes, fmt.Sprintf("the attribute %s was not copied: %v", name, err))
		}
	}
	return notes, nil
}
