// SPDX-License-Identifier: BSD-2-Clause

// Package atomicfile replaces files: a reader finds the old content or the new
// one, whole, also when a writer is killed, and when several write at once.
//
// Each writer writes a temporary file, which it keeps locked until it has renamed
// it. So what a killed writer left behind is known by its lock, which is gone, and
// the next writer of the same path removes it, a [File] once. No call needs chmod or
// chown, which a sandbox may deny: the mode is that of the creation.
package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/filelock"
)

// Write replaces the file at path by what fill writes, or creates it. The mode is
// subject to the umask. path itself is never followed: a symbolic link there is
// replaced. Temporary files are called PATH.new.NUMBER.
//
// The new content is not synced: it may be lost with the system, and the old one
// with it. fill may be called more than once. Errors name path, not the temporary
// file; an error of fill's own is returned unchanged.
func Write(path string, mode fs.FileMode, fill func(io.Writer) error) error {
	return New(path, mode).Write(fill)
}

// WriteSync is [Write] that waits for the disk: after it the new content survives a
// power loss, and a power loss meanwhile leaves the old content or the new one.
func WriteSync(path string, mode fs.FileMode, fill func(io.Writer) error) error {
	return New(path, mode).WriteSync(fill)
}

// A File is a file that one process replaces again and again. It looks once for what killed
// writers left behind, and again after an error. It is not safe for concurrent use.
type File struct {
	path  string
	mode  fs.FileMode
	clean bool // nothing is left behind
}

// New returns the File at path, which need not exist, with the mode of [Write]. It touches
// nothing.
func New(path string, mode fs.FileMode) *File { return &File{path: path, mode: mode} }

// Write is [Write].
func (f *File) Write(fill func(io.Writer) error) error { return f.write(fill, false) }

// WriteSync is [WriteSync].
func (f *File) WriteSync(fill func(io.Writer) error) error { return f.write(fill, true) }

// Bytes fills a file with b.
func Bytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// tries bounds how often another writer may remove a temporary file that is not
// locked yet.
const tries = 10

// errRemoved is the error after so many.
var errRemoved = errors.New("the temporary file was removed")

func (f *File) write(fill func(io.Writer) error, sync bool) (err error) {
	var dir *os.File // only where it is needed
	if sync || !f.clean {
		if dir, err = open(filepath.Dir(f.path), unix.O_RDONLY|unix.O_DIRECTORY, 0); err != nil {
			return err
		}
		defer dir.Close()
	}
	if !f.clean {
		clean(dir, filepath.Base(f.path)+infix)
	}
	for range tries {
		if err = replace(f.path, f.mode, fill, sync); !errors.Is(err, errRemoved) {
			break
		}
	}
	f.clean = err == nil
	if err == nil && sync {
		err = dir.Sync()
	}
	return err
}

// infix is between the path and the number of a temporary file.
const infix = ".new."

// replace fails with errRemoved if another writer took the new file for one left
// behind, before it was locked.
func replace(path string, mode fs.FileMode, fill func(io.Writer) error, sync bool) error {
	tmp := path + infix + strconv.FormatUint(rand.Uint64(), 10)
	f, err := open(tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, mode)
	if err != nil {
		return named(path, err)
	}
	// Whoever can read the file can lock it too. That does no harm, as nobody else
	// can lock and remove it then.
	_ = filelock.Try(f)
	defer f.Close() // only now the lock ends
	if err = fill(f); err == nil && sync {
		err = f.Sync()
	}
	if err == nil {
		err = rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return named(path, err)
}

// open is os.OpenFile without its five calls that try to have the file polled, which no
// file and no directory can be: a daemon at rest does little but replace files.
func open(path string, flags int, mode fs.FileMode) (*os.File, error) {
	for {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, uint32(mode.Perm()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		default:
			return os.NewFile(uintptr(fd), path), nil
		}
	}
}

func rename(tmp, path string) error {
	err := os.Rename(tmp, path)
	if errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "rename", Path: tmp, Err: errRemoved}
	}
	return err
}

// named returns err with path in place of the temporary file, whose name is another
// each time: a caller that logs each error once must see that it is the same.
func named(path string, err error) error {
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &link):
		return &fs.PathError{Op: link.Op, Path: path, Err: link.Err}
	case errors.As(err, &file) && strings.HasPrefix(file.Path, path+infix):
		return &fs.PathError{Op: file.Op, Path: path, Err: file.Err}
	}
	return err
}

// clean removes the files of dir whose names begin with prefix, as far as nobody
// has them locked. What it cannot remove now the next call can.
func clean(dir *os.File, prefix string) {
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		number, ours := strings.CutPrefix(name, prefix)
		if _, err := strconv.ParseUint(number, 10, 64); !ours || err != nil {
			continue
		}
		path := filepath.Join(dir.Name(), name)
		f, err := open(path, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		if filelock.Try(f) == nil {
			os.Remove(path)
		}
		f.Close()
	}
}
