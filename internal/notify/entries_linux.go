// SPDX-License-Identifier: BSD-2-Clause

package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	entriesMask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_ONLYDIR
	// soon is how long after the last making of an entry it is told that one is opened.
	soon = time.Second
)

// Entries calls notice at the start, and when an entry of a directory is made or removed,
// until ctx ends. In the second after one was made, it also calls it with opened when an entry
// is opened: at rest, whoever opens one wakes nobody. What is opened at once may be missed.
// Waiting occupies no thread. It returns
// an error if the directory cannot be watched.
func Entries(ctx context.Context, dir string, notice func(opened bool)) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("notify: inotify: %w", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	defer f.Close()
	defer context.AfterFunc(ctx, func() { f.Close() })()
	watch := func(mask uint32) error {
		if _, err := unix.InotifyAddWatch(fd, dir, mask); err != nil {
			return fmt.Errorf("notify: inotify: watch %s: %w", dir, err)
		}
		return nil
	}
	if err := watch(entriesMask); err != nil {
		return err
	}
	notice(false)
	buf := make([]byte, 4<<10)
	opens := false // they are told
	for {
		n, err := f.Read(buf)
		if opens && errors.Is(err, os.ErrDeadlineExceeded) {
			opens = false
			_, _ = f.SetReadDeadline(time.Time{}), watch(entriesMask)
			continue
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("notify: inotify: %w", err)
		}
		seen := masks(buf[:n])
		if seen&unix.IN_CREATE != 0 && f.SetReadDeadline(time.Now().Add(soon)) == nil && !opens {
			opens = watch(entriesMask|unix.IN_OPEN) == nil
		}
		if seen&^unix.IN_OPEN != 0 {
			notice(false)
		}
		if seen&unix.IN_OPEN != 0 {
			notice(true)
		}
	}
}

// masks returns what the events in b say, all together.
func masks(b []byte) (all uint32) {
	for len(b) >= unix.SizeofInotifyEvent {
		ev := (*unix.InotifyEvent)(unsafe.Pointer(&b[0]))
		all |= ev.Mask
		b = b[unix.SizeofInotifyEvent+int(ev.Len):]
	}
	return all
}
