// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"fmt"
	"io/fs"
)

// File is what a file holds.
type File int

// The files.
const (
	UtmpxFile File = iota
	WtmpxFile
	BtmpFile
	LastlogFile
)

func (f File) String() string { return [...]string{"utmpx", "wtmpx", "btmp", "lastlog"}[f] }

// Owner describes who may do what with a file.
type Owner struct {
	Mode     fs.FileMode
	UID, GID uint32
	Group    uint32 // that of the name utmp on this machine
	HasGroup bool   // there is one
	Solaris  bool   // illumos and Solaris, which have other owners
	Linked   bool   // the name is a symbolic link
	LinkUID  uint32 // whose that is
}

// Access reports permissions with which more can be done to a file of this machine than
// should be possible.
//
// Source: Debian's base-files and login (0664 root:utmp, btmp 0660), RHEL's setup and
// tmpfiles.d of systemd (the same; btmp 0600), illumos (utmpx 0644 root:bin, wtmpx 0644
// adm:adm).
func Access(file File, o Owner, found func(Finding)) {
	a := access{file: file, Owner: o, found: found, mend: "`chmod 0644`"}
	if !o.Solaris {
		a.mend = fmt.Sprintf("`chmod %04o`", map[File]fs.FileMode{UtmpxFile: 0o664, WtmpxFile: 0o664, BtmpFile: 0o660, LastlogFile: 0o664}[file])
	}
	if o.Linked && o.LinkUID != 0 {
		a.add(Error, Link, fmt.Sprintf("the name is a symbolic link of user %d", o.LinkUID), "programs of root follow it: remove it and find out where it leads")
	}
	a.mode()
	if !o.Solaris { // there, root, adm and bin own these files, from release to release
		a.owner()
	}
}

type access struct {
	file File
	Owner
	found func(Finding)
	mend  string
}

func (a *access) add(s Severity, k Kind, text, advice string) {
	a.found(Finding{Kind: k, Severity: s, Text: text, Advice: advice})
}

// mode checks what everybody may do, and the owner.
func (a *access) mode() {
	perm := a.Mode.Perm()
	wrong := func(s Severity, why string) { a.add(s, WrongMode, fmt.Sprintf("mode %04o: %s", perm, why), a.mend) }
	switch {
	case perm&0o002 != 0:
		wrong(Error, "every user may write it")
	case a.file == BtmpFile && perm&0o004 != 0:
		wrong(Error, "every user may read it, and passwords that were typed as names are in it")
	case perm&0o111 != 0:
		wrong(Warning, "it is no program")
	case perm&0o600 != 0o600:
		wrong(Warning, "its owner cannot write it")
	}
}

// owner checks whose the file is.
func (a *access) owner() {
	perm := a.Mode.Perm()
	if a.UID != 0 {
		a.add(Warning, WrongMode, fmt.Sprintf("owned by user %d, who may change and replace its records", a.UID), "`chown root`")
	}
	theirs := a.HasGroup && a.GID == a.Group
	if perm&0o020 != 0 && a.GID != 0 && !theirs {
		a.add(Warning, WrongMode, fmt.Sprintf("mode %04o: group %d may write it", perm, a.GID), "`chgrp utmp`")
	}
	if a.file == UtmpxFile && a.HasGroup && (!theirs || perm&0o020 == 0) && perm&0o002 == 0 {
		a.add(Note, WrongMode, fmt.Sprintf("mode %04o, group %d: programs of the group utmp, such as terminals, cannot write it", perm, a.GID), "`chgrp utmp` and "+a.mend)
	}
}
