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
	add := func(s Severity, k Kind, text, advice string) {
		found(Finding{Kind: k, Severity: s, Text: text, Advice: advice})
	}
	if o.Linked && o.LinkUID != 0 {
		add(Error, Link, fmt.Sprintf("the name is a symbolic link of user %d", o.LinkUID), "programs of root follow it: remove it and find out where it leads")
	}
	perm := o.Mode.Perm()
	right := map[File]fs.FileMode{UtmpxFile: 0o664, WtmpxFile: 0o664, BtmpFile: 0o660, LastlogFile: 0o664}[file]
	group := "utmp"
	if o.Solaris {
		right, group = 0o644, map[File]string{UtmpxFile: "bin", WtmpxFile: "adm"}[file]
	}
	mend := fmt.Sprintf("`chmod %04o`", right)
	switch {
	case perm&0o002 != 0:
		add(Error, WrongMode, fmt.Sprintf("mode %04o: every user may write it", perm), mend)
	case file == BtmpFile && perm&0o004 != 0:
		add(Error, WrongMode, fmt.Sprintf("mode %04o: every user may read it, and passwords that were typed as names are in it", perm), mend)
	case perm&0o111 != 0:
		add(Warning, WrongMode, fmt.Sprintf("mode %04o: it is no program", perm), mend)
	case perm&0o600 != 0o600:
		add(Warning, WrongMode, fmt.Sprintf("mode %04o: its owner cannot write it", perm), mend)
	}
	if o.Solaris {
		return // root, adm and bin own these files, from release to release
	}
	if o.UID != 0 {
		add(Warning, WrongMode, fmt.Sprintf("owned by user %d, who may change and replace its records", o.UID), "`chown root`")
	}
	inGroup := o.GID == 0 || o.HasGroup && o.GID == o.Group
	if perm&0o020 != 0 && !inGroup {
		add(Warning, WrongMode, fmt.Sprintf("mode %04o: group %d may write it", perm, o.GID), "`chgrp "+group+"`")
	}
	if file == UtmpxFile && o.HasGroup && (o.GID != o.Group || perm&0o020 == 0) && perm&0o002 == 0 {
		add(Note, WrongMode, fmt.Sprintf("mode %04o, group %d: programs of the group utmp, such as terminals, cannot write it", perm, o.GID), "`chgrp utmp` and "+mend)
	}
}
