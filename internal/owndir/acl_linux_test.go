// SPDX-License-Identifier: BSD-2-Clause

package owndir

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// acl is an access control list. The owner may do everything, and others read.
func acl(entries ...[3]uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for _, e := range append(append([][3]uint32{{1, 7, ^uint32(0)}}, entries...), [3]uint32{0x20, 5, ^uint32(0)}) {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return b
}

// TestOwnDirsACL checks directories that somebody may write by an access control list. The
// group's bits in their modes are then the list's mask.
func TestOwnDirsACL(t *testing.T) {
	const none = ^uint32(0)
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := Of(os.Geteuid(), os.Getegid())
	o.Private = false
	for _, c := range []struct {
		name string
		list []byte
		want string
	}{
		{"a user", acl([3]uint32{aclUser, 7, 4711}, [3]uint32{aclGroupObj, 5, none}, [3]uint32{aclMask, 7, none}), "access control list: uid 4711"},
		{"a user who may not", acl([3]uint32{aclUser, 5, 4711}, [3]uint32{aclGroupObj, 5, none}, [3]uint32{aclMask, 7, none}), ""},
		{"a user, masked", acl([3]uint32{aclUser, 7, 4711}, [3]uint32{aclGroupObj, 5, none}, [3]uint32{aclMask, 5, none}), ""},
		{"root", acl([3]uint32{aclUser, 7, 0}, [3]uint32{aclGroupObj, 5, none}, [3]uint32{aclMask, 7, none}), ""},
		{"the user that it runs as", acl([3]uint32{aclUser, 7, uint32(o.User)}, [3]uint32{aclGroupObj, 5, none}, [3]uint32{aclMask, 7, none}), ""},
		{"a group", acl([3]uint32{aclGroupObj, 5, none}, [3]uint32{aclGroup, 7, 4712}, [3]uint32{aclMask, 7, none}), "access control list: gid 4712"},
		{"root's group", acl([3]uint32{aclGroupObj, 5, none}, [3]uint32{aclGroup, 7, 0}, [3]uint32{aclMask, 7, none}), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(base, strings.ReplaceAll(c.name, " ", "-"))
			if err := os.MkdirAll(filepath.Join(dir, "run"), 0o755); err != nil {
				t.Fatal(err)
			}
			err := unix.Setxattr(dir, aclName, c.list, 0)
			if errors.Is(err, unix.ENOTSUP) && os.Getenv("CI") == "" {
				t.Skipf("no access control lists in %s", base)
			}
			if err != nil {
				t.Fatal(err)
			}
			err = o.Check("RUN_DIR", filepath.Join(dir, "run"))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestParseACL checks lists that no kernel gives.
func TestParseACL(t *testing.T) {
	for name, b := range map[string][]byte{"empty": nil, "short": {2, 0, 0}, "another version": {3, 0, 0, 0}} {
		if writers, ok := parseACL(b); ok || writers != nil {
			t.Errorf("%s: %v, %v", name, writers, ok)
		}
	}
	cut := acl([3]uint32{aclUser, 7, 4711})
	if writers, ok := parseACL(cut[:len(cut)-3]); !ok || len(writers) != 1 {
		t.Errorf("cut in an entry: %v, %v", writers, ok)
	}
}
