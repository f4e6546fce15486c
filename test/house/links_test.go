// SPDX-License-Identifier: BSD-2-Clause

package house

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var markdownLink = regexp.MustCompile(`\]\(([^)#: ]+)(#[^)]*)?\)`)

// TestLinks checks that what the documents link to is there: in the source, and in
// /usr/share/doc of the packages.
func TestLinks(t *testing.T) {
	t.Run("source", func(t *testing.T) { checkLinks(t, 20, "../..", "*.md", "docs/*.md") })
	for _, format := range []string{"deb", "rpm"} {
		t.Run(format, func(t *testing.T) {
			bin, tree := t.TempDir(), t.TempDir()
			for _, name := range []string{"utmpd", "utmpctl"} {
				if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("packaging/layout.sh", format, tree)
			cmd.Dir = "../.."
			cmd.Env = append(os.Environ(), "BIN="+bin, "NATIVE="+bin)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", cmd, err, out)
			}
			checkLinks(t, 20, filepath.Join(tree, "usr/share/doc/utmpd"), "*.md", "docs/*.md")
		})
	}
	for _, name := range []string{"utmpfleet", "utmpfleet-server"} {
		t.Run(name, func(t *testing.T) {
			bin, tree := t.TempDir(), t.TempDir()
			if err := os.WriteFile(filepath.Join(bin, name), nil, 0o755); err != nil {
				t.Fatal(err)
			}
			unit := map[string]string{"utmpfleet": "utmpfleet-agent"}[name]
			cmd := exec.Command("packaging/fleet/layout.sh", name, "usr/bin/"+name, cmp.Or(unit, name), tree)
			cmd.Dir = "../.."
			cmd.Env = append(os.Environ(), "BIN="+bin)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", cmd, err, out)
			}
			checkLinks(t, 2, filepath.Join(tree, "usr/share/doc", name), "*.md")
		})
	}
}

// checkLinks checks the links of documents, of which there are so many at least.
func checkLinks(t *testing.T, least int, dir string, patterns ...string) {
	t.Helper()
	links := 0
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s in %s: %v", pattern, dir, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, link := range markdownLink.FindAllStringSubmatch(string(text), -1) {
				links++
				if _, err := os.Stat(filepath.Join(filepath.Dir(file), link[1])); err != nil {
					t.Errorf("%s links to %s, which is not there", strings.TrimPrefix(file, dir+"/"), link[1])
				}
			}
		}
	}
	if links < least {
		t.Errorf("only %d links", links)
	}
}
