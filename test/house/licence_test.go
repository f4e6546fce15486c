// SPDX-License-Identifier: BSD-2-Clause

package house

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources are the files that can hold a comment and are written by hand, besides
// those that begin with "#!".
var sources = regexp.MustCompile(`(\.(go|c|h|sh|mjs|jsx|yaml|service|conf|xml|8)|/Makefile)$`)

// notOurs are directories at the top that hold what was built, or others' source.
var notOurs = []string{".git", "bin", "dist", "vendor"}

// TestSPDX: each source file names its licence in its first lines.
func TestSPDX(t *testing.T) {
	const top, want = "../..", "SPDX-License-Identifier: BSD-2-Clause"
	seen := 0
	err := filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (filepath.Dir(name) == top && slices.Contains(notOurs, d.Name()) || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		head, err := firstLines(name)
		if err != nil {
			return err
		}
		if !sources.MatchString(name) && !bytes.HasPrefix(head, []byte("#!")) {
			return nil
		}
		seen++
		if !bytes.Contains(head, []byte(want)) {
			t.Errorf("%s: its first lines do not hold %q", name, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 300 {
		t.Errorf("only %d source files found", seen)
	}
}

// firstLines returns the first three lines of a file, if they are not long.
func firstLines(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 300)
	n, _ := f.Read(b)
	lines := bytes.SplitAfterN(b[:n], []byte("\n"), 4)
	return bytes.Join(lines[:min(3, len(lines))], nil), nil
}

// TestLicence: the licence that the sources and the packages name is the one in
// LICENSE, the version is one that packages can compare, and the changelog has it.
func TestLicence(t *testing.T) {
	version, err := os.ReadFile("../../VERSION")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"CHANGELOG.md":        `(?m)^## ` + regexp.QuoteMeta(strings.TrimSpace(string(version))) + `\b`,
		"LICENSE":             `(?s)^BSD 2-Clause License\n.*Copyright \(c\) 2026 The utmpd authors.*Redistribution and use in source and binary forms`,
		"packaging/nfpm.yaml": `(?m)^license: BSD-2-Clause$`,
		"VERSION":             `^\d+\.\d+\.\d+\n$`,
	} {
		b, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if !regexp.MustCompile(want).Match(b) {
			t.Errorf("%s does not match %s", name, want)
		}
	}
}
