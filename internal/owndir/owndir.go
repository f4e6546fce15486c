// SPDX-License-Identifier: BSD-2-Clause

// Package owndir checks that nobody else may write a directory that must be utmpd's alone,
// nor replace it. Whoever may write RUN_DIR, or a directory above it, can put a locked pid
// file there, which keeps utmpd from starting, or take the pid file away, which ends it.
package owndir

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Error is the error of a directory that somebody else may write.
type Error struct {
	Key, Dir string // RUN_DIR or STATE_DIR, and its value
	At       string // the directory that is to blame: this one, or one above it
	Why      string
}

func (e *Error) Error() string {
	if e.At == e.Dir {
		return fmt.Sprintf("%s %s: %s", e.Key, e.Dir, e.Why)
	}
	return fmt.Sprintf("%s %s: %s: %s", e.Key, e.Dir, e.At, e.Why)
}

// Owners are who may own the directory, and what is on the way to it: root, and a user.
type Owners struct {
	User    int  // whom utmpd runs as
	Private bool // that user's group has nobody else: it has the user's number
	AnyUser bool // the directory may be another user's if only root could make it that
}

// Of returns the owners of a process of that user and group.
func Of(uid, gid int) Owners { return Owners{User: uid, Private: uid == gid} }

// maxLinks is how many symbolic links a path may have, as for the kernel.
const maxLinks = 40

// Check follows a path from the root, and returns an error if others may put something
// else in the place of what is on the way. What is missing, and what may not be looked
// at, shows when it is used. key is the setting that names it, for the error.
func (o Owners) Check(key, dir string) error {
	w := walk{Owners: o, at: "/", rest: split(dir)}
	for {
		info, err := os.Lstat(w.at)
		if err != nil {
			return nil
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		var why string
		if info.Mode()&fs.ModeSymlink != 0 {
			why, ok = w.follow(st)
		} else {
			why, ok = w.enter(info.Mode(), st)
		}
		switch {
		case why != "":
			return &Error{key, dir, w.at, why}
		case !ok:
			return nil
		}
	}
}

// walk is the way along a path.
type walk struct {
	Owners
	at     string   // where it is
	rest   []string // names that are still to come
	shared bool     // others may make entries in the directory that holds at
	links  int      // followed so far
}

// follow goes on at the target of a symbolic link, or says why not.
func (w *walk) follow(st *syscall.Stat_t) (why string, ok bool) {
	if w.links++; w.shared && !w.trusts(st.Uid) || w.links > maxLinks {
		return fmt.Sprintf("a symbolic link of uid %d; name the directory", st.Uid), false
	}
	to, err := os.Readlink(w.at)
	if err != nil {
		return "", false
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(filepath.Dir(w.at), to)
	}
	w.rest, w.at, w.shared = append(split(to), w.rest...), "/", false
	return "", true
}

// enter goes on at the next name in a directory, if there is one, or says why not.
func (w *walk) enter(mode fs.FileMode, st *syscall.Stat_t) (why string, ok bool) {
	last := len(w.rest) == 0
	if !w.trusts(st.Uid) && (!w.AnyUser || w.shared || !last) {
		return fmt.Sprintf("belongs to uid %d, who could replace what is in it: change its owner, or name another directory", st.Uid), false
	}
	others, remedy := w.writers(mode, st.Gid)
	w.shared = others != ""
	if w.shared && (last || mode&fs.ModeSticky == 0) {
		return fmt.Sprintf("others may write it (%s), and replace what is in it: %s, or name another directory", others, remedy), false
	}
	if last {
		return "", false
	}
	w.at, w.rest = filepath.Join(w.at, w.rest[0]), w.rest[1:]
	return "", true
}

// trusts reports whether a user may own what is on the way.
func (o Owners) trusts(uid uint32) bool {
	return uid == 0 || int(uid) == o.User || uid == overflowUID && unmapped()
}

// writers says who else may write the directory that the walk is at, "" if nobody, and what
// changes that. With an access control list the group's bits of the mode are no group's.
func (w *walk) writers(mode fs.FileMode, gid uint32) (others, remedy string) {
	who, listed := w.aclOthers(w.at, gid)
	switch {
	case mode&0o002 != 0, !listed && mode&0o020 != 0 && w.othersGroup(gid):
		return fmt.Sprintf("mode %04o, gid %d", mode.Perm(), gid), "chmod go-w"
	case who != "":
		return "access control list: " + who, "setfacl -b"
	}
	return "", ""
}

// othersGroup reports whether a group has others in it than root and the user that utmpd
// runs as.
func (o Owners) othersGroup(gid uint32) bool {
	return gid != 0 && (!o.Private || int(gid) != o.User)
}

func split(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
}

// overflowUID is the owner that a user namespace shows for a user whom it does not have.
const overflowUID = 65534

// unmapped reports whether this is a user namespace without that number: then nobody here
// is the owner.
func unmapped() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		var inside, outside, count uint64
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err != nil || inside <= overflowUID && overflowUID < inside+count {
			return false
		}
	}
	return true
}
