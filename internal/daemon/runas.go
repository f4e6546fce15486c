// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/proc"
)

// leaveRoot becomes the user of RUN_AS. Before, it does what only root can: it
// makes that user's directories and raises the limit of open files. The pipe and
// the files that are made later belong to that user.
func (d *daemon) leaveRoot() error {
	if d.cfg.RunAs == "" {
		return nil
	}
	u, err := lookUp(d.cfg.RunAs)
	if err != nil {
		return fmt.Errorf("RUN_AS: %w", err)
	}
	for _, dir := range []string{d.cfg.RunDir, d.cfg.StateDir} {
		if err := giveDir(dir, u); err != nil {
			return fmt.Errorf("RUN_AS: %w", err)
		}
	}
	_, _ = proc.RaiseLimit(d.cfg.MaxFDs + spareFDs) // watchLimit reports it if that was not enough
	return becomeUser(u, d.log.Logger)
}

// giveDir makes a directory that belongs to u. A directory that exists keeps its
// owner, who must be u: it may be /run. If the directory cannot be made, giveDir
// returns nil: opening it later fails, logs the error, and the daemon continues
// without it.
func giveDir(dir string, u account) error {
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return nil
	}
	defer parent.Close()
	err = unix.Mkdirat(int(parent.Fd()), filepath.Base(dir), 0o755)
	if err == nil {
		return chownDir(parent, filepath.Base(dir), u)
	}
	info, statErr := os.Stat(dir)
	if !errors.Is(err, fs.ErrExist) || statErr != nil {
		return nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != u.uid {
		return fmt.Errorf("%s belongs to uid %d, not to %s: change its owner, and that of the files in it, or remove it", dir, st.Uid, u.name)
	}
	return nil
}

// chownDir gives u the directory called name in parent. A link that somebody put
// in its place is an error: the owner of what it leads to stays.
func chownDir(parent *os.File, name string, u account) error {
	path := filepath.Join(parent.Name(), name)
	fd, err := unix.Openat(int(parent.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	made := os.NewFile(uintptr(fd), path)
	defer made.Close()
	return made.Chown(u.uid, u.gid)
}
