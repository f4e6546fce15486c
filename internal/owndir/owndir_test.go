// SPDX-License-Identifier: BSD-2-Clause

package owndir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOwnDirs checks directories whose owners, modes and links are as in sane set-ups and
// as in others. Root's test knows other users too.
func TestOwnDirs(t *testing.T) {
	const other = 4711
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := func(name string, mode os.FileMode) string {
		path := filepath.Join(base, name)
		must(os.MkdirAll(path, 0o755))
		must(os.Chmod(path, mode))
		return path
	}
	link := func(to, name string) string {
		must(os.Symlink(to, filepath.Join(base, name)))
		return filepath.Join(base, name)
	}
	dir("own/run", 0o755)
	dir("all/run", 0o755)
	dir("all", 0o777)
	dir("sticky/run", 0o755)
	dir("sticky", 0o777|os.ModeSticky)
	dir("group/run", 0o770)
	must(os.Chown(filepath.Join(base, "group/run"), -1, os.Getegid()))
	link("own", "link")
	link("all/run", "link-all")
	link("loop", "loop")
	tests := []struct{ name, path, want string }{
		{"own", "own/run", ""},
		{"missing", "own/run/to/come", ""},
		{"missing below one of all", "all/to/come", "all: others may write it (mode 0777"},
		{"in one of all", "all/run", "all: others may write it (mode 0777"},
		{"one of all", "all", "others may write it"},
		{"in a sticky one", "sticky/run", ""},
		{"a sticky one", "sticky", "others may write it"},
		{"by a link", "link/run", ""},
		{"by a link into one of all", "link-all", "all: others may write it"},
		{"a loop", "loop", "a symbolic link"},
	}
	if os.Geteuid() == 0 {
		must(os.Chown(dir("foreign", 0o755), other, other))
		dir("sticky/foreign", 0o755)
		must(os.Chown(filepath.Join(base, "sticky/foreign"), other, other))
		must(os.Lchown(link("../own/run", "sticky/link"), other, other))
		must(os.Lchown(link("own/run", "given"), other, other))
		dir("utmp", 0o775)
		must(os.Chown(filepath.Join(base, "utmp"), 0, 43))
		tests = append(tests, []struct{ name, path, want string }{
			{"another's", "foreign", "belongs to uid 4711"},
			{"below another's", "foreign/to/come", "foreign: belongs to uid 4711"},
			{"another's in a sticky one", "sticky/foreign", "belongs to uid 4711"},
			{"another's link in a sticky one", "sticky/link", "a symbolic link of uid 4711"},
			{"another's link that he cannot change", "given", ""},
			{"root's, of group root", "group/run", ""},
			{"of group utmp", "utmp", "others may write it (mode 0775, gid 43)"},
		}...)
	}
	o := Of(os.Geteuid(), os.Getegid())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := o.Check("RUN_DIR", filepath.Join(base, tt.path))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if os.Geteuid() != 0 {
		return
	}
	for name, tt := range map[string]struct {
		o    Owners
		path string
		ok   bool
	}{
		"of RUN_AS":                          {Owners{User: other, Private: true}, "foreign", true},
		"of RUN_AS in a sticky one":          {Owners{User: other, Private: true}, "sticky/foreign", true},
		"-check, of a service's user":        {Owners{AnyUser: true}, "foreign", true},
		"-check, of another in a sticky one": {Owners{AnyUser: true}, "sticky/foreign", false},
	} {
		if err := tt.o.Check("RUN_DIR", filepath.Join(base, tt.path)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
