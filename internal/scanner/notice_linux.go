// SPDX-License-Identifier: BSD-2-Clause

package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// IN_MODIFY alone, without IN_CLOSE_WRITE: equal events in a row are one in
	// the kernel's queue, so that thousands of writes while we read wake us once.
	fileMask = unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
	dirMask  = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE | unix.IN_MOVED_FROM |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
)

// climbs bounds how often the way to the file is looked at again because
// directories are being made on it.
const climbs = 10

// Inotify is the Notifier of Linux, by inotify(7) on the file and on its
// directory: the file may come late, be replaced, or be removed. While the
// directory is missing, the nearest one above it takes its place.
type Inotify struct {
	name string

	mu        sync.Mutex
	fd        int    // -1: not running
	file, dir int32  // watch descriptors, 0 if there is none
	next      string // what is waited for in dir: the file, or what leads to it
}

// NewInotify returns a Notifier of the file of that name.
func NewInotify(name string) *Inotify {
	return &Inotify{name: name, fd: -1}
}

// Run calls notice at the start, when the file changes, and when another comes
// in its place. It waits without a thread. It fails if inotify is not to be
// had. A missing file is no failure, nor is a missing directory: both are tried
// again at each change of the directory above, and at each Renew.
func (n *Inotify) Run(ctx context.Context, notice func()) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("scanner: inotify: %w", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	n.start(fd)
	end := func() { n.start(-1); f.Close() }
	defer end()
	defer context.AfterFunc(ctx, end)()

	if err := n.add(); err != nil {
		return err
	}
	notice()
	buf := make([]byte, 16<<10)
	for {
		k, err := f.Read(buf)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("scanner: inotify: %w", err)
		}
		ours, again := n.take(buf[:k])
		if again {
			if err := n.add(); err != nil {
				return err
			}
		}
		if !ours {
			continue
		}
		notice()
		// What follows waits in the kernel, where equal events are one: the
		// scanner rests as long after each scan, so nothing is heard later.
		if !sleep(ctx, minPause) {
			return nil
		}
	}
}

// Renew looks at what stands at the name now. A failure shows at the next event.
func (n *Inotify) Renew() { _ = n.add() }

func (n *Inotify) start(fd int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fd, n.file, n.dir = fd, 0, 0
}

// add looks at the directory and at the file as they are now. Adding what is
// watched already changes nothing. The directory comes first, so that a file
// that is made in between is not missed.
func (n *Inotify) add() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fd < 0 {
		return nil
	}
	if err := n.addDir(); err != nil {
		return err
	}
	_, err := n.addOne(&n.file, n.name, fileMask)
	return err
}

// addDir looks at the directory of the file, or at the nearest one above that is
// there.
func (n *Inotify) addDir() error {
	for range climbs {
		child, dir := n.name, filepath.Dir(n.name)
		for {
			missing, err := n.addOne(&n.dir, dir, dirMask)
			if err != nil {
				return err
			}
			above := filepath.Dir(dir)
			if !missing || above == dir {
				break
			}
			child, dir = dir, above
		}
		n.next = filepath.Base(child)
		if child == n.name {
			return nil
		}
		if _, err := os.Stat(child); err != nil {
			return nil
		}
	}
	return nil
}

func (n *Inotify) addOne(wd *int32, name string, mask uint32) (missing bool, err error) {
	got, err := unix.InotifyAddWatch(n.fd, name, mask)
	missing = errors.Is(err, fs.ErrNotExist)
	switch {
	case err == nil:
	case missing, errors.Is(err, fs.ErrPermission), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		got = 0
	default:
		return false, fmt.Errorf("scanner: inotify: watch %s: %w", name, err)
	}
	if *wd != 0 && *wd != int32(got) {
		// The old file may live on under another name. If it does not, the
		// kernel has removed the watch, and this fails.
		_, _ = unix.InotifyRmWatch(n.fd, uint32(*wd))
	}
	*wd = int32(got)
	return missing, nil
}

// take reads events: whether the file may have changed, and whether it may be
// another by now.
func (n *Inotify) take(b []byte) (ours, again bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(b) >= unix.SizeofInotifyEvent {
		ev := (*unix.InotifyEvent)(unsafe.Pointer(&b[0]))
		end := unix.SizeofInotifyEvent + int(ev.Len)
		name := string(bytes.TrimRight(b[unix.SizeofInotifyEvent:end], "\x00"))
		b = b[end:]
		switch {
		case ev.Mask&unix.IN_Q_OVERFLOW != 0:
			ours, again = true, true
		case ev.Wd == n.file:
			ours = true
			again = again || ev.Mask&^unix.IN_MODIFY != 0
		case ev.Wd == n.dir && (name == n.next || name == ""):
			ours, again = true, true
		}
	}
	return ours, again
}
