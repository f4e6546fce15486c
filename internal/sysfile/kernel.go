// SPDX-License-Identifier: BSD-2-Clause

package sysfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Kernel returns the system that the program runs on.
func Kernel() System { return kernel{} }

type kernel struct{}

// maxLinks bounds a chain of symbolic links.
const maxLinks = 8

func (kernel) Open(name string, mode OpenMode) (Handle, error) {
	f, err := OpenFile(name, mode)
	if err != nil {
		return nil, err
	}
	return Opened(f, name), nil
}

// Opened returns the handle of a file that was opened by [OpenFile], here or in another
// process. It is the caller's to close.
func Opened(f *os.File, name string) Handle { return &kernelHandle{File: f, name: name} }

// OpenFile opens a regular file of the kernel's, as [System.Open] describes.
//
// It checks the file before it opens it, since opening alone can have effects (a
// tape rewinds, a FIFO's writer continues), and again afterwards, since the name
// may have changed in between. It resolves symbolic links itself, to follow only
// root's.
func OpenFile(name string, mode OpenMode) (*os.File, error) {
	path := name
	for range maxLinks {
		fi, err := os.Lstat(path)
		if err != nil {
			return nil, err
		}
		if fi.Mode()&fs.ModeSymlink == 0 {
			return openRegular(path, fi, mode)
		}
		if uid := infoOf(fi).UID; uid != 0 {
			return nil, fmt.Errorf("%w, but user %d's", ErrSymlink, uid)
		}
		to, err := os.Readlink(path)
		if err != nil {
			return nil, err
		}
		if !filepath.IsAbs(to) {
			// Not filepath.Join: ".." must go up from the target of a linked directory.
			to = path[:strings.LastIndexByte(path, '/')+1] + to
		}
		path = to
	}
	return nil, errors.New("too many symbolic links")
}

func openRegular(path string, fi fs.FileInfo, mode OpenMode) (*os.File, error) {
	if !fi.Mode().IsRegular() {
		return nil, notRegular(fi.Mode())
	}
	f, err := openFile(path, mode)
	if err != nil {
		return nil, err
	}
	fi, err = f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = notRegular(fi.Mode())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openFile opens the file so that reading it leaves the access time as it is,
// unless mode is ReadOnly. Where that is denied, as to all but the owner and
// CAP_FOWNER, reading moves the access time.
func openFile(path string, mode OpenMode) (*os.File, error) {
	flag := os.O_RDONLY
	switch mode {
	case ReadWrite:
		flag = os.O_RDWR
	case AppendOnly:
		flag = os.O_RDWR | os.O_APPEND
	}
	if mode == ReadOnly {
		return os.OpenFile(path, flag|openFlags, 0)
	}
	f, err := os.OpenFile(path, flag|openFlags|noAccessTime, 0)
	if errors.Is(err, fs.ErrPermission) {
		f, err = os.OpenFile(path, flag|openFlags, 0)
	}
	return f, err
}

func (kernel) Lookup(name string) (Info, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return Info{}, err
	}
	return infoOf(fi), nil
}

func (kernel) List(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// kernelHandle is a Handle; its locks and its access time are in the platform's file.
type kernelHandle struct {
	*os.File
	name string
}

func (h *kernelHandle) Append(p []byte) (int, error) {
	n, err := h.File.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

func (h *kernelHandle) Info() (Info, error) {
	fi, err := h.File.Stat()
	if err != nil {
		return Info{}, err
	}
	return infoOf(fi), nil
}

// fd runs f with the descriptor, which stays open meanwhile.
func (h *kernelHandle) fd(f func(fd uintptr) error) error {
	conn, err := h.File.SyscallConn()
	if err != nil {
		return err
	}
	ferr := error(nil)
	if err := conn.Control(func(fd uintptr) { ferr = f(fd) }); err != nil {
		return err
	}
	return ferr
}

func infoOf(fi fs.FileInfo) Info {
	i := Info{Size: fi.Size(), Mode: fi.Mode(), Modified: fi.ModTime()}
	fillInfo(&i, fi)
	return i
}

// NativePaths returns where this machine's libc keeps the utmpx file and the
// wtmpx log. It asks the file system, since glibc uses /var/run/utmpx and
// /var/log/wtmpx where they exist, and utmp and wtmp where not.
func NativePaths() (file, log string) {
	return nativePaths(func(name string) bool {
		_, err := os.Stat(name)
		return err == nil
	})
}
