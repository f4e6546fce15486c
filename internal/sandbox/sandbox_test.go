// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOfFile(t *testing.T) {
	top := t.TempDir()
	for _, dir := range []string{"run", "var"} {
		if err := os.Mkdir(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(top, "var/real"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../var/real", filepath.Join(top, "run/link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"a file", "var/real", []string{"var"}},
		{"a file to come", "var/late", []string{"var"}},
		{"a directory to come", "var/late/later/utmp", []string{"var"}},
		{"a link", "run/link", []string{"run", "var"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			for _, dir := range c.want {
				want = append(want, filepath.Join(top, dir))
			}
			if diff := cmp.Diff(want, OfFile(filepath.Join(top, c.file))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	name := filepath.Join(t.TempDir(), "dir")
	mkdir := func() {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mkdir()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	box := &Box{held: []held{{name, info}}}
	if err := box.Check(); err != nil {
		t.Errorf("unchanged: %v", err)
	}
	if err := os.Rename(name, name+".old"); err != nil {
		t.Fatal(err)
	}
	if err := box.Check(); err != nil {
		t.Errorf("missing: %v, want no error", err)
	}
	mkdir()
	if err := box.Check(); !errors.Is(err, ErrMoved) {
		t.Errorf("replaced: %v, want %v", err, ErrMoved)
	}
	if err := (*Box)(nil).Check(); err != nil {
		t.Errorf("nil Box: %v, want no error", err)
	}
}
