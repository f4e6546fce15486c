// SPDX-License-Identifier: BSD-2-Clause

package state

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/atomicfile"
)

// journalLeast is how large the changes in a file may become at least, however small the
// state before them is.
const journalLeast = 32 << 10

// ErrNotOurs is the error of a change that cannot be appended, because the file does not
// end with what was written last.
var ErrNotOurs = errors.New("not as it was left")

// File is a file in which one process keeps its state: whole at first, then what changes.
// It is not safe for concurrent use. It holds no descriptor.
type File struct {
	path  string
	sum   [sha256.Size]byte // with which the file ends
	at    place             // of the file as it was left; zero: it must be saved whole
	whole int64             // bytes of the state alone
}

// place tells whether a file is still the one that was written, as it was left.
type place struct {
	dev, ino uint64
	size     int64
}

// NewFile returns the File at path. It touches nothing.
func NewFile(path string) *File { return &File{path: path} }

// Load is [Load] of the file.
func (f *File) Load() (State, error) { return Load(f.path) }

// Save replaces the file by one that holds s alone, as [State.Save] does.
func (f *File) Save(s State) error {
	f.at = place{}
	var made *os.File
	err := atomicfile.Write(f.path, 0o600, func(w io.Writer) (err error) {
		made, _ = w.(*os.File)
		f.sum, err = s.encodeSum(func(p []byte) error {
			_, err := w.Write(p)
			return err
		})
		if err == nil && made != nil {
			f.at, err = placeOf(int(made.Fd()))
		}
		return err
	})
	if err != nil {
		f.at = place{}
		return fmt.Errorf("state: %w", err)
	}
	f.whole = f.at.size
	return nil
}

// Append adds changes to the file, in one write. If that fails, the file may end with a part
// of them, and must be saved whole. So it should be if full: the changes have become as large
// as the state, so that all writing costs at most twice what changes.
func (f *File) Append(changes ...Change) (full bool, err error) {
	if f.at == (place{}) {
		return true, fmt.Errorf("state: %w", ErrNotOurs)
	}
	was := f.at
	f.at = place{}
	var b []byte
	for _, c := range changes {
		f.sum, err = c.encode(f.sum, func(p []byte) error {
			b = append(b, p...)
			return nil
		})
		if err != nil {
			return true, fmt.Errorf("state: %w", err)
		}
	}
	if was.size+int64(len(b)) > MaxSize {
		return true, fmt.Errorf("state: %w", errLimits)
	}
	if err := appendTo(f.path, was, b); err != nil {
		return true, fmt.Errorf("state: append to %s: %w", f.path, err)
	}
	f.at = was
	f.at.size += int64(len(b))
	return f.at.size-f.whole > max(journalLeast, f.whole), nil
}

// appendTo writes b at the end of a file, if it is the one that was left there.
func appendTo(path string, was place, b []byte) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if now, err := placeOf(fd); err != nil || now != was {
		return errors.Join(ErrNotOurs, err)
	}
	n, err := unix.Write(fd, b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

func placeOf(fd int) (place, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return place{}, err
	}
	return place{uint64(st.Dev), st.Ino, st.Size}, nil
}
