// SPDX-License-Identifier: BSD-2-Clause

package owndir

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// The access control list of a file, as getxattr(2) returns it: a version, and entries of a
// tag, permissions and an id.
//
// Source: linux/posix_acl_xattr.h; acl(5).
const (
	aclName    = "system.posix_acl_access"
	aclVersion = 2
	aclHeader  = 4
	aclEntry   = 8

	aclUser     = 0x02 // a named user
	aclGroupObj = 0x04 // the owning group
	aclGroup    = 0x08 // a named group
	aclMask     = 0x10 // the most that these three may have
	aclWrite    = 0x02
)

// maxACL is the longest value of an extended attribute.
const maxACL = 1 << 16

// aclWriter is who an access control list lets write.
type aclWriter struct {
	group bool
	id    uint32
	own   bool // the owning group, without an id
}

// aclWriters returns who else than the owner and all others may write a directory by its
// access control list. Without one, ok is false: the mode says all.
func aclWriters(path string) (writers []aclWriter, ok bool) {
	b := make([]byte, maxACL)
	n, err := unix.Lgetxattr(path, aclName, b)
	if err != nil {
		return nil, false // there is none, or this file system has none
	}
	return parseACL(b[:n])
}

func parseACL(b []byte) (writers []aclWriter, ok bool) {
	if len(b) < aclHeader || binary.LittleEndian.Uint32(b) != aclVersion {
		return nil, false
	}
	mask := uint16(aclWrite)
	for b = b[aclHeader:]; len(b) >= aclEntry; b = b[aclEntry:] {
		tag, may := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
		w := aclWriter{id: binary.LittleEndian.Uint32(b[4:])}
		switch tag {
		case aclMask:
			mask = may
			continue
		case aclUser:
		case aclGroup:
			w.group = true
		case aclGroupObj:
			w.group, w.own = true, true
		default:
			continue
		}
		if may&aclWrite != 0 {
			writers = append(writers, w)
		}
	}
	if mask&aclWrite == 0 {
		writers = nil
	}
	return writers, true
}

// aclOthers returns who of an access control list may write a directory and is neither
// trusted nor root's group, "" if nobody. ok is false if the directory has no list.
func (o Owners) aclOthers(path string, gid uint32) (who string, ok bool) {
	writers, ok := aclWriters(path)
	for _, w := range writers {
		switch {
		case !w.group && !o.trusts(w.id):
			return fmt.Sprintf("uid %d", w.id), true
		case w.own && o.othersGroup(gid):
			return fmt.Sprintf("gid %d", gid), true
		case w.group && !w.own && o.othersGroup(w.id):
			return fmt.Sprintf("gid %d", w.id), true
		}
	}
	return "", ok
}
