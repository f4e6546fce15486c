// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Access rights that a rule grants in a directory.
const (
	list   = unix.LANDLOCK_ACCESS_FS_READ_DIR
	read   = unix.LANDLOCK_ACCESS_FS_READ_FILE | list
	write  = read | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	change = write | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE
)

// handled returns everything that a version of Landlock can deny for files and
// networks. It can also deny signals and abstract sockets, which utmpd needs.
func handled(abi int) unix.LandlockRulesetAttr {
	a := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1}
	if abi >= 2 {
		a.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		a.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 4 {
		a.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= 5 {
		a.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return a
}

// complete is the first version of Landlock that can deny all of handled.
const complete = 5

var errHidden = errors.New("not restricted: /proc is mounted with hidepid, and Landlock would hide the processes of other users from utmpd")

// restrictFiles enters Landlock with a rule for each directory and file. It needs
// no_new_privs.
//
// Source: landlock(7).
func restrictFiles(dirs Dirs) (*Box, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return &Box{}, fmt.Errorf("landlock: %w", errno)
	}
	if blinds() {
		return &Box{}, errHidden
	}
	return restrictWith(int(abi), dirs)
}

// restrictWith is restrictBy, and says what the version cannot deny.
func restrictWith(abi int, dirs Dirs) (*Box, error) {
	box, err := restrictBy(abi, dirs)
	if err == nil && abi < complete {
		err = &OlderError{abi, complete}
	}
	return box, err
}

// restrictBy enters Landlock with what a version of it can deny.
func restrictBy(abi int, dirs Dirs) (*Box, error) {
	box := &Box{}
	attr := handled(abi)
	rules, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return box, fmt.Errorf("landlock: %w", errno)
	}
	defer unix.Close(int(rules))
	held, err := addRules(int(rules), dirs, attr.Handled_access_fs)
	if err != nil {
		return box, fmt.Errorf("landlock: %w", err)
	}
	if err := allThreads(unix.SYS_LANDLOCK_RESTRICT_SELF, rules, 0, 0); err != nil {
		return box, fmt.Errorf("landlock: %w", err)
	}
	box.held = held
	return box, nil
}

// addRules adds a rule for each directory and file that exists, and returns the
// directories.
func addRules(rules int, dirs Dirs, handled uint64) ([]held, error) {
	var added []held
	for _, g := range []struct {
		names  []string
		access uint64
		flag   int
	}{
		{dirs.List, list, unix.O_DIRECTORY}, {dirs.Read, read, unix.O_DIRECTORY},
		{dirs.Write, write, unix.O_DIRECTORY}, {dirs.Change, change, unix.O_DIRECTORY},
		{dirs.Files, write &^ list, 0},
	} {
		for _, name := range g.names {
			h, err := addRule(rules, name, g.access&handled, g.flag)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if g.flag != 0 {
				added = append(added, h)
			}
		}
	}
	return added, nil
}

func addRule(rules int, name string, access uint64, flag int) (held, error) {
	f, err := os.OpenFile(name, unix.O_PATH|flag, 0)
	if err != nil {
		return held{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return held{}, err
	}
	if flag == 0 && !info.Mode().IsRegular() {
		return held{name, info}, nil // it is neither read nor written
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(f.Fd())}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return held{}, fmt.Errorf("rule for %s: %w", name, errno)
	}
	return held{name, info}, nil
}

// blinds reports whether Landlock would hide the processes of other users from
// this process. It does if /proc is mounted with hidepid and this process sees
// them only because of CAP_SYS_PTRACE, not because it is in the mount's group.
//
// Source: has_pid_permissions in fs/proc/base.c; hook_ptrace_access_check in
// security/landlock/task.c.
func blinds() bool {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	gid, hides := hidepid(string(mounts))
	if !hides {
		return false
	}
	groups, _ := os.Getgroups()
	if gid >= 0 && (gid == os.Getegid() || slices.Contains(groups, gid)) {
		return false
	}
	one, err := os.Open("/proc/1/stat")
	if err != nil {
		return false // they are hidden already
	}
	one.Close()
	return true
}

// hidepid parses the mount options of /proc: whether it hides processes, and the
// group that sees them all the same, -1 if there is none. Without the option gid
// that is group 0.
//
// Source: proc_pid_mountinfo(5), proc(5).
func hidepid(mountinfo string) (gid int, hides bool) {
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		at, about := strings.Fields(before), strings.Fields(after)
		if len(at) < 5 || at[4] != "/proc" || len(about) < 3 || about[0] != "proc" {
			continue
		}
		gid, hides = 0, false // the last mount covers the others
		for option := range strings.SplitSeq(about[2], ",") {
			key, value, _ := strings.Cut(option, "=")
			switch {
			case key == "gid" && gid == 0:
				gid, _ = strconv.Atoi(value)
			case key == "hidepid" && (value == "4" || value == "ptraceable"):
				gid, hides = -1, true
			case key == "hidepid":
				hides = value != "0" && value != "off"
			}
		}
	}
	return gid, hides
}
