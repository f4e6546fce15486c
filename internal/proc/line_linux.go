// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// errNoLine is the error of route.open for a line that surely names no device.
var errNoLine = errors.New("no such device below /dev")

// route opens lines one after another. It keeps the directory of the last
// one open, since most are in /dev/pts. The zero value is ready for use, by one goroutine.
// It is for the lines of one question: what is mounted later it does not see.
type route struct {
	dir  string // below /dev; "": /dev itself
	fd   int
	held bool // fd is open
}

// open opens the device that a ut_line names below /dev, such as pts/3, with
// O_PATH: nothing is asked of the device. A record can hold any name. So no link is
// followed, and nothing is looked up but on the file system of /dev and the devpts at
// /dev/pts: links in /dev/shm, and mounts below it, lead where whoever made them wants,
// also to a file system that never answers. The last element may be a mount, as
// /dev/console is in a container.
//
// The error wraps errNoLine if there surely is no such device. After any other error
// it is unknown whether there is one: the record may name a terminal that lives.
//
// Source: openat2(2), Linux ≥ 5.6; before it, or where a filter forbids it, the same
// is done with openat(2).
func (r *route) open(line string) (fd int, st unix.Stat_t, err error) {
	path, ok := linePath(line)
	if !ok {
		return -1, st, fmt.Errorf("%q: %w", line, errNoLine)
	}
	fd, st, err = r.to(strings.TrimPrefix(path, "/dev/"))
	switch {
	case err == nil && st.Mode&unix.S_IFMT != unix.S_IFCHR:
		unix.Close(fd)
		err = errNoLine
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENAMETOOLONG):
		err = errNoLine
	}
	if err != nil {
		return -1, st, &lineError{path, err}
	}
	return fd, st, nil
}

// lineError is fmt.Errorf("%s: %w", path, err), which costs more than the look-up: most
// lines that are looked up are gone, and nobody reads why.
type lineError struct {
	path string
	err  error
}

func (e *lineError) Error() string { return e.path + ": " + e.err.Error() }
func (e *lineError) Unwrap() error { return e.err }

// to opens what a name below /dev leads to.
func (r *route) to(name string) (fd int, st unix.Stat_t, err error) {
	dir, element := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, element = name[:i], name[i+1:]
	}
	if !r.held || r.dir != dir {
		r.end()
		if r.fd, err = openDir(dir); err != nil {
			return -1, st, err
		}
		r.dir, r.held = dir, true
	}
	if fd, err = openElement(r.fd, element, dir == "", false); err != nil {
		return -1, st, err
	}
	if err = unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

func (r *route) end() {
	if r.held {
		unix.Close(r.fd)
	}
	r.held = false
}

// openDir opens a directory below /dev, one element after the other.
func openDir(name string) (fd int, err error) {
	fd, err = retry(func() (int, error) {
		return unix.Open("/dev", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	for first := true; err == nil && name != ""; first = false {
		var element string
		element, name, _ = strings.Cut(name, "/")
		dir := fd
		fd, err = openElement(dir, element, first, true)
		unix.Close(dir)
	}
	return fd, err
}

// openElement opens one element of a name, of which more may follow. first says that dir is
// /dev itself.
func openElement(dir int, element string, first, more bool) (fd int, err error) {
	fd, err = openBelow(dir, element, false)
	if err == unix.EXDEV && (!more || first && element == "pts") {
		fd, err = openMount(dir, element, more)
	}
	return fd, err
}

// openMount opens an element at which something is mounted: the devpts at /dev/pts, or
// a device.
func openMount(dir int, element string, isDir bool) (fd int, err error) {
	if fd, err = openBelow(dir, element, true); err != nil {
		return -1, err
	}
	var fs unix.Statfs_t
	_, mode, err := deviceOf(fd)
	switch is := mode & unix.S_IFMT; {
	case err != nil:
	case isDir != (is == unix.S_IFDIR), !isDir && is != unix.S_IFCHR:
		err = unix.ENOTDIR // no device, whatever it is
	default:
		err = unix.Fstatfs(fd, &fs)
	}
	if err == nil && !holdsDevices(int64(fs.Type), isDir) {
		err = unix.EXDEV
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// holdsDevices reports whether a file system of that type may be gone into from /dev, or
// hold a device that is mounted there. A devtmpfs has the type of a tmpfs or a ramfs.
func holdsDevices(fs int64, isDir bool) bool {
	return fs == unix.DEVPTS_SUPER_MAGIC || !isDir && (fs == unix.TMPFS_MAGIC || fs == unix.RAMFS_MAGIC)
}

// openBelow opens one element of a name. It follows no link: the error is then ELOOP.
// Unless cross, it enters no other file system: EXDEV.
func openBelow(dir int, element string, cross bool) (int, error) {
	resolve := uint64(unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS)
	if !cross {
		resolve |= unix.RESOLVE_NO_XDEV
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolve}
	fd, err := retry(func() (int, error) { return unix.Openat2(dir, element, &how) })
	if err == unix.ENOSYS || err == unix.EPERM {
		return openBelowBefore(dir, element, cross)
	}
	return fd, err
}

// openBelowBefore is openBelow without openat2(2). What is mounted at the element is
// opened, but nothing is asked of it.
func openBelowBefore(dir int, element string, cross bool) (int, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(dir, element, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, err
	}
	above, _, err := deviceOf(dir)
	at, mode, err2 := deviceOf(fd)
	switch err = errors.Join(err, err2); {
	case err != nil:
	case mode&unix.S_IFMT == unix.S_IFLNK:
		err = unix.ELOOP
	case !cross && at != above:
		err = unix.EXDEV
	default:
		return fd, nil
	}
	unix.Close(fd)
	return -1, err
}

// deviceOf returns the file system and the type of a file, as far as the kernel knows
// them without asking a server.
//
// Source: AT_STATX_DONT_SYNC in statx(2), Linux ≥ 4.11.
func deviceOf(fd int) (device uint64, mode uint32, err error) {
	var x unix.Statx_t
	err = unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &x)
	if err == nil {
		return unix.Mkdev(x.Dev_major, x.Dev_minor), uint32(x.Mode), nil
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	return uint64(st.Dev), uint32(st.Mode), err
}
