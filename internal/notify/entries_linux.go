// SPDX-License-Identifier: BSD-2-Clause

package notify

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Entries calls notice at the start, and when an entry of a directory is made or removed,
// until ctx ends. Waiting occupies no thread. It returns an error if the directory cannot be
// watched.
func Entries(ctx context.Context, dir string, notice func()) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("notify: inotify: %w", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	defer f.Close()
	defer context.AfterFunc(ctx, func() { f.Close() })()
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_DELETE|unix.IN_ONLYDIR); err != nil {
		return fmt.Errorf("notify: inotify: watch %s: %w", dir, err)
	}
	notice()
	buf := make([]byte, 4<<10)
	for {
		if _, err := f.Read(buf); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("notify: inotify: %w", err)
		}
		notice()
	}
}
