// SPDX-License-Identifier: BSD-2-Clause

package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// Without IN_CLOSE_WRITE: the kernel merges equal events in a row, so that
	// thousands of writes during a scan wake us once.
	fileMask = unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
	dirMask  = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE | unix.IN_MOVED_FROM |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
)

// climbs limits how often addDir starts again because directories on the path
// are being created.
const climbs = 10

// Inotify is a Notifier that uses inotify(7). It watches the file, and its
// directory because the file may be created, replaced or removed. While the
// directory is missing, it watches the nearest existing one above it.
type Inotify struct {
	name string
	mask uint32 // of the file

	mu        sync.Mutex
	fd        int    // -1 while Run does not run
	file, dir int32  // watch descriptors; 0 for none
	awaited   string // the entry of dir to wait for: the file, or a directory on its path
}

// NewInotify returns a Notifier for the named file.
func NewInotify(name string) *Inotify {
	return &Inotify{name: name, mask: fileMask, fd: -1}
}

// NewAppends returns a Notifier for a log. It does not tell when the times of the file are
// set, as the heartbeat sets them.
func NewAppends(name string) *Inotify {
	return &Inotify{name: name, mask: fileMask &^ unix.IN_ATTRIB, fd: -1}
}

// Run calls notice at the start, and when the file changes or is replaced, until
// ctx ends. Waiting occupies no thread. The error is inotify's. A missing file or
// directory is not an error: Run waits for it.
func (n *Inotify) Run(ctx context.Context, notice func()) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("notify: inotify: %w", err)
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
		changed, err := n.next(f, buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case !changed:
			continue
		}
		notice()
		// Meanwhile the kernel merges equal events. The scanner pauses at
		// least as long after each scan.
		if !sleep(ctx, minPause) {
			return nil
		}
	}
}

// next reads events once and reports whether the file may have changed. If it may
// have been replaced, next watches the new one.
func (n *Inotify) next(f *os.File, buf []byte) (changed bool, err error) {
	k, err := f.Read(buf)
	if err != nil {
		return false, fmt.Errorf("notify: inotify: %w", err)
	}
	changed, replaced := n.take(buf[:k])
	if replaced {
		err = n.add()
	}
	return changed, err
}

// Renew watches the file and the directory that the name leads to now. Run
// returns its error at the next event.
func (n *Inotify) Renew() { _ = n.add() }

func (n *Inotify) start(fd int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fd, n.file, n.dir = fd, 0, 0
}

// add watches the directory and the file that exist now. Adding a watch that
// exists already changes nothing. The directory is first, so that a file created
// in between is not missed.
func (n *Inotify) add() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fd < 0 {
		return nil
	}
	if err := n.addDir(); err != nil {
		return err
	}
	_, err := n.addOne(&n.file, n.name, n.mask)
	return err
}

// addDir watches the directory of the file, or the nearest existing one above
// it.
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
		n.awaited = filepath.Base(child)
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
		return false, fmt.Errorf("notify: inotify: watch %s: %w", name, err)
	}
	if *wd != 0 && *wd != int32(got) {
		// The old file may still exist under another name. If not, the kernel
		// has removed the watch, and this call fails.
		_, _ = unix.InotifyRmWatch(n.fd, uint32(*wd))
	}
	*wd = int32(got)
	return missing, nil
}

// take parses events. It reports whether the file may have changed, and whether
// it may have been replaced.
func (n *Inotify) take(b []byte) (changed, replaced bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(b) >= unix.SizeofInotifyEvent {
		ev := (*unix.InotifyEvent)(unsafe.Pointer(&b[0]))
		end := unix.SizeofInotifyEvent + int(ev.Len)
		name := string(bytes.TrimRight(b[unix.SizeofInotifyEvent:end], "\x00"))
		b = b[end:]
		switch {
		case ev.Mask&unix.IN_Q_OVERFLOW != 0:
			changed, replaced = true, true
		case ev.Wd == n.file:
			changed = true
			replaced = replaced || ev.Mask&^unix.IN_MODIFY != 0
		case ev.Wd == n.dir && (name == n.awaited || name == ""):
			changed, replaced = true, true
		}
	}
	return changed, replaced
}

// minPause is the shortest time between two notices. All changes during it cause
// one notice.
const minPause = 20 * time.Millisecond

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
