// SPDX-License-Identifier: BSD-2-Clause

package pidfile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/filelock"
)

// Look returns the pid in the pid file at path, 0 if there is none, and whether a process
// holds the lock. It locks and changes nothing, and does not block. The error is
// fs.ErrNotExist without a pid file, fs.ErrPermission for all but the daemon's user and
// root, and errors.ErrUnsupported where the system does not tell who has a lock.
func Look(path string) (pid int, held bool, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return 0, false, fmt.Errorf("pidfile: %w", err)
	}
	defer f.Close()
	l := &Lock{path: path, f: f}
	if err := l.suitable(); err != nil {
		return 0, false, err
	}
	if pid, err = l.content(); err != nil {
		return 0, false, err
	}
	held, err = filelock.Held(f)
	return pid, held, err
}
