// SPDX-License-Identifier: BSD-2-Clause

package receiver

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrForeign is returned if the path is not a named pipe that the caller owns
// and nobody else may use.
var ErrForeign = errors.New("not utmpd's own pipe")

// openPipe opens the FIFO at path, or creates it. It opens it for writing too,
// so that there is no end of file when the last writer closes it.
func openPipe(path string) (*os.File, error) {
	var found unix.Stat_t
	err := unix.Lstat(path, &found)
	if err == unix.ENOENT {
		if err = unix.Mkfifo(path, 0o600); err == nil {
			err = unix.Lstat(path, &found)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := ours(&found); err != nil {
		return nil, err
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	var opened unix.Stat_t
	err = unix.Fstat(fd, &opened)
	if err == nil {
		err = ours(&opened)
	}
	if err == nil && (opened.Dev != found.Dev || opened.Ino != found.Ino) {
		err = fmt.Errorf("%w: it was replaced while it was opened", ErrForeign)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// ours returns why a file is not utmpd's own FIFO, or nil.
func ours(st *unix.Stat_t) error {
	kind := uint32(st.Mode) & unix.S_IFMT
	switch {
	case kind != unix.S_IFIFO:
		return fmt.Errorf("%w: %s", ErrForeign, kindName(kind))
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%w: a FIFO of uid %d", ErrForeign, st.Uid)
	case st.Mode&0o077 != 0:
		return fmt.Errorf("%w: a FIFO that other users may use (mode %04o)", ErrForeign, st.Mode&0o7777)
	}
	return nil
}

func kindName(kind uint32) string {
	switch kind {
	case unix.S_IFREG:
		return "a regular file"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	}
	return "a special file"
}
