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
	blame := func(at, why string, args ...any) error {
		return &ForeignDirError{key, dir, at, fmt.Sprintf(why, args...)}
	}
	rest := split(dir)
	at, shared := "/", false // shared: others may make entries in it
	for links := 0; ; {
		info, err := os.Lstat(at)
		if err != nil {
			return nil
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		last := len(rest) == 0
		if info.Mode()&fs.ModeSymlink != 0 {
			if links++; shared && !o.trusts(st.Uid) || links > maxLinks {
				return blame(at, "a symbolic link of uid %d; name the directory", st.Uid)
			}
			to, err := os.Readlink(at)
			if err != nil {
				return nil
			}
			if !filepath.IsAbs(to) {
				to = filepath.Join(filepath.Dir(at), to)
			}
			rest, at, shared = append(split(to), rest...), "/", false
			continue
		}
		if !o.trusts(st.Uid) && (!o.anyUser || shared || !last) {
			return blame(at, "belongs to uid %d, who could replace what is in it: change its owner, or name another directory", st.Uid)
		}
		shared = o.shared(info.Mode(), st.Gid)
		if shared && (last || info.Mode()&fs.ModeSticky == 0) {
			return blame(at, "others may write it (mode %04o, gid %d), and replace what is in it: chmod go-w, or name another directory", info.Mode().Perm(), st.Gid)
		}
		if last {
			return nil
		}
		at, rest = filepath.Join(at, rest[0]), rest[1:]
	}
}

// trusts reports whether a user may own what is on the way.
func (o ownDirs) trusts(uid uint32) bool {
	return uid == 0 || int(uid) == o.user || uid == overflowUID && unmapped()
}

// shared reports whether others may write a directory of that mode.
func (o ownDirs) shared(mode fs.FileMode, gid uint32) bool {
	return mode&0o002 != 0 || mode&0o020 != 0 && gid != 0 && (!o.private || int(gid) != o.user)
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
