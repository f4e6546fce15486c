// SPDX-License-Identifier: BSD-2-Clause

package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/atomicfile"
)

// Load reads the state in the file at path. It follows no symbolic link and waits for
// nothing but the disk. Its errors are [fs.ErrNotExist], and [ErrCorrupt] also if the
// file is not a regular file of root or the effective user that no one else can write.
func Load(path string) (State, error) { return LoadOf(path, os.Geteuid()) }

// LoadOf is Load for a file that may belong to that user, too.
func LoadOf(path string, owner int) (State, error) {
	b, err := read(path, owner)
	if err != nil {
		return State{}, fmt.Errorf("state: %w", err)
	}
	var s State
	if err := s.UnmarshalBinary(b); err != nil {
		return State{}, fmt.Errorf("%w, in %s", err, path)
	}
	return s, nil
}

func read(path string, owner int) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, corrupt(path, "is a symbolic link")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if why := distrust(info, owner); why != "" {
		return nil, corrupt(path, why)
	}
	// A change that is being appended is whole, or cut short, or not there.
	b := make([]byte, info.Size())
	n, err := io.ReadFull(f, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	return b[:n], nil
}

// distrust returns why a file must not be used, "" if it may.
func distrust(info fs.FileInfo, owner int) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return "is not a regular file"
	case info.Size() > MaxSize:
		return "is too large"
	case info.Mode().Perm()&0o022 != 0:
		return "can be written by others"
	case !ok || st.Uid != 0 && int64(st.Uid) != int64(owner):
		return "belongs to another user"
	}
	return ""
}

func corrupt(path, why string) error {
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w: %s", ErrCorrupt, why)}
}

// Save replaces the file at path, mode 0600, by one that holds s. A reader finds the
// old one or the new one, whole, also when the daemon is killed meanwhile. Save does
// not sync: the file need not survive the boot.
func (s State) Save(path string) error {
	err := atomicfile.Write(path, 0o600, func(w io.Writer) error {
		return s.encode(func(p []byte) error {
			_, err := w.Write(p)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}
