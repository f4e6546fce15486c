// SPDX-License-Identifier: BSD-2-Clause

// Package sandbox gives up, for the rest of the process's life, what utmpd does
// not need once it works: running programs, networks, and every file outside its
// own directories.
//
// On Linux these are a seccomp filter and Landlock, both on all threads. Where
// the kernel lacks them, utmpd works as well without.
//
// It is written out here, not imported: the usual library for Landlock brings
// another along for its system calls, and does not tell how much of what was
// asked for an older kernel does.
package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Dirs are the directories that stay within reach, each with all below it. A rule
// is for a directory, never for a file, since a file is replaced: a log by its
// rotation, /etc/passwd by useradd(8).
type Dirs struct {
	Read   []string // files may be read
	Write  []string // files may be read and written; none made, removed or renamed
	Change []string // files may also be made, removed and renamed within a directory
}

// Box is what was entered.
type Box struct {
	held []held
}

// held is a directory with a rule, by its name and what the name led to.
type held struct {
	name string
	info fs.FileInfo
}

// ErrMoved is the error of [Box.Check].
var ErrMoved = errors.New("is another directory now")

// Check reports the first directory whose name leads to another one by now,
// because a file system was mounted over it or it was replaced: what is there is
// out of reach, for good. A directory that is missing is not reported. It costs
// one stat for each. A nil Box has nothing to report.
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

// OfFile returns the directories in which the file of that name stands or will
// stand: its own, and, if it is a symbolic link now, that of what it leads to.
func OfFile(name string) []string {
	dirs := []string{existing(filepath.Dir(name))}
	if to, err := filepath.EvalSymlinks(name); err == nil {
		if dir := filepath.Dir(to); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// existing returns dir or, while there is none, the directory that it will be
// made in.
func existing(dir string) string {
	for {
		info, err := os.Stat(dir)
		if err == nil && info.IsDir() || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}
