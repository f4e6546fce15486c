// SPDX-License-Identifier: BSD-2-Clause

package repair

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// ErrFlags: the file's attributes do not let it be replaced.
var ErrFlags = errors.New("append-only or immutable: `chattr -ai` it, repair, and set the attribute again")

// readsAs reports whether a file with that beginning is taken for one of that layout.
// It is not if only a few records, or parts of some, spoke for the layout of the old one.
func readsAs(layout *utmpx.Layout, head []byte) bool {
	now, err := recfile.NewDetector(nil).OfHead(head)
	return err == nil && grid.Alike(now, layout)
}

// unready ends the name of a file that is not complete.
const unready = ".repairing"

// clean removes what a killed repair of a file has left unready. The lock on the directory
// says that no other one is at work.
func clean(name string) error {
	if err := os.Remove(name + unready); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// likeness gives a new file the owner, the mode, the extended attributes and the times of
// an old one. What it cannot is in notes, as far as it does no harm.
func likeness(f *os.File, old string, info sysfile.Info) (notes []string, err error) {
	if err := f.Chown(int(info.UID), int(info.GID)); err != nil {
		return nil, fmt.Errorf("give the new file to user %d, group %d: %w", info.UID, info.GID, bare(err))
	}
	if err := f.Chmod(info.Mode.Perm()); err != nil {
		return nil, err
	}
	if notes, err = copyAttributes(f, old); err != nil {
		return notes, err
	}
	if err := setTimes(f, info.Accessed, info.Modified); err != nil {
		return notes, err
	}
	return notes, nil
}

// noSpace says how much space is needed, if that is the error.
func noSpace(err error, size int64) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: the new file needs up to %d MB beside the old one; nothing was changed", bare(err), (size+1e6-1)/1e6)
	}
	return err
}

// bare returns the kernel's error alone: what was tried on which file, the caller says.
func bare(err error) error {
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &file):
		return file.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
