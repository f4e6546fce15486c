// SPDX-License-Identifier: BSD-2-Clause

// Package sandbox gives up, for the rest of the process's life, what utmpd does
// not need after its start: running programs, networks, and all files outside its
// own directories.
//
// On Linux it uses a seccomp filter and Landlock, both on all threads. If the
// kernel lacks them, utmpd works without them.
//
// utmpd does not use the usual library for Landlock: it needs a second library
// for its system calls, and it does not report which of the requested rules an
// older kernel ignores.
package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Dirs are the directories that stay accessible, with everything below them. Files are
// replaced, a log by rotation, /etc/passwd by useradd(8), and a rule for a file does not
// follow its name: a process with rules for Files has what replaces them opened elsewhere.
type Dirs struct {
	List   []string // names may be listed
	Read   []string // files may be read
	Write  []string // files may be read and written, but not created, removed or renamed
	Change []string // files may also be created, removed, and renamed within a directory
	Files  []string // these files may be read and written
}

// Box is a sandbox that was entered.
type Box struct {
	held []held
}

// held is a directory with a rule.
type held struct {
	name string
	info fs.FileInfo // of the directory that the rule is for
}

// OlderError says that the kernel's Landlock works and cannot deny everything.
type OlderError struct {
	Version, Complete int // the kernel's, and the first that can
}

func (e *OlderError) Error() string {
	return fmt.Sprintf("landlock: the kernel has version %d, which cannot deny everything; version %d can", e.Version, e.Complete)
}

// ErrMoved is the error of [Box.Check].
var ErrMoved = errors.New("was replaced or mounted over")

// Check returns an error for the first directory whose name now leads to another
// directory than the one with the rule. The new one cannot be accessed: the
// process must be restarted. Check ignores directories that are missing. It costs
// one stat(2) for each directory. A nil Box returns nil.
func (b *Box) Check() error {
	if b == nil {
		return nil
	}
	for _, h := range b.held {
		if info, err := os.Stat(h.name); err == nil && !os.SameFile(info, h.info) {
			return fmt.Errorf("sandbox: %s %w", h.name, ErrMoved)
		}
	}
	return nil
}

// OfFile returns the directories that a file needs: the directory of its name
// and, if it is a symbolic link, the directory of the link's target.
func OfFile(name string) []string {
	dirs := []string{existing(filepath.Dir(name))}
	if to, err := filepath.EvalSymlinks(name); err == nil {
		if dir := filepath.Dir(to); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// existing returns dir or, if it is missing, the nearest existing directory above
// it.
func existing(dir string) string {
	for {
		info, err := os.Stat(dir)
		if err == nil && info.IsDir() || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}
