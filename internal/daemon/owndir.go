// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Whoever may write RUN_DIR, or a directory above it, can put a locked pid file there,
// which keeps utmpd from starting, or take the pid file away, which ends it.

// ForeignDirError is the error of a directory that somebody else may write.
type ForeignDirError struct {
	Key, Dir string // RUN_DIR or STATE_DIR, and its value
	At       string // the directory that is to blame: this one, or one above it
	Why      string
}

func (e *ForeignDirError) Error() string {
	if e.At == e.Dir {
		return fmt.Sprintf("%s %s: %s", e.Key, e.Dir, e.Why)
	}
	return fmt.Sprintf("%s %s: %s: %s", e.Key, e.Dir, e.At, e.Why)
}

// ownDirs are the directories that are utmpd's alone.
type ownDirs struct {
	user    int  // whom utmpd runs as; root and that user may own what is on the way
	private bool // that user's group has nobody else: it has the user's number
	anyUser bool // a directory may be another user's if only root could make it that: for -check
}

func newOwnDirs(runAs string) ownDirs {
	o := ownDirs{user: os.Geteuid(), private: os.Geteuid() == os.Getegid()}
	if u, err := lookUp(runAs); runAs != "" && err == nil {
		o = ownDirs{user: u.uid, private: u.uid == u.gid}
	}
	return o
}

// maxLinks is how many symbolic links a path may have, as for the kernel.
const maxLinks = 40

// check follows a path from the root, and returns an error if others may put something
// else in the place of what is on the way. What is missing, and what may not be looked
// at, shows when it is used.
func (o ownDirs) check(key, dir string) error {
	w := walk{ownDirs: o, at: "/", rest: split(dir)}
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
			return &ForeignDirError{key, dir, w.at, why}
		case !ok:
			return nil
		}
	}
}

// walk is the way along a path.
type walk struct {
	ownDirs
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
	if !w.trusts(st.Uid) && (!w.anyUser || w.shared || !last) {
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
func (o ownDirs) trusts(uid uint32) bool {
	return uid == 0 || int(uid) == o.user || uid == overflowUID && unmapped()
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
func (o ownDirs) othersGroup(gid uint32) bool {
	return gid != 0 && (!o.private || int(gid) != o.user)
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

// faults returns what is wrong with RUN_DIR and STATE_DIR, as -check reports it.
func (o ownDirs) faults(runDir, stateDir string) map[string]error {
	faults := map[string]error{}
	for key, dir := range map[string]string{"RUN_DIR": runDir, "STATE_DIR": stateDir} {
		if err := o.check(key, dir); err != nil {
			faults[key] = err
		}
	}
	return faults
}

// checkDirs returns an error if RUN_DIR or STATE_DIR is not utmpd's alone.
func (d *daemon) checkDirs() error {
	own := newOwnDirs(d.cfg.RunAs)
	if err := own.check("RUN_DIR", d.cfg.RunDir); err != nil {
		return err
	}
	return own.check("STATE_DIR", d.cfg.StateDir)
}
