// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// ownerID returns the uid of a file.
func ownerID(t *testing.T, name string) int {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// otherUser is an account whose files only root can make, unless the test runs
// unprivileged: then it is the test's own, and giving it a file changes nothing.
func otherUser() account {
	if os.Geteuid() == 0 {
		return account{name: "other", uid: 54321, gid: 54321}
	}
	return account{name: "self", uid: os.Geteuid(), gid: os.Getegid()}
}

func TestGiveDir(t *testing.T) {
	u := otherUser()
	dir := filepath.Join(t.TempDir(), "run")
	for _, when := range []string{"new", "there already"} {
		if err := giveDir(dir, u); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got := ownerID(t, dir); got != u.uid {
			t.Errorf("%s: the directory belongs to uid %d, want %d", when, got, u.uid)
		}
	}
	if err := giveDir(dir, account{name: "third", uid: u.uid + 1}); err == nil {
		t.Error("a directory of another user was accepted")
	}
	if err := giveDir(filepath.Join(dir, "none", "run"), u); err != nil {
		t.Errorf("no parent: %v", err)
	}
}

// TestGiveDirThroughLink: whoever may write the parent can put a link where the
// new directory was. What it leads to keeps its owner.
func TestGiveDirThroughLink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.Mkdir(target, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, "run")); err != nil {
		t.Fatal(err)
	}
	parent, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Close()
	if err := chownDir(parent, "run", otherUser()); err == nil {
		t.Error("a link was accepted for the directory")
	}
	if got := ownerID(t, target); got != os.Geteuid() {
		t.Errorf("what the link leads to belongs to uid %d", got)
	}
}
