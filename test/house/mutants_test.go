// SPDX-License-Identifier: BSD-2-Clause

package house

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMutantsAreListed: docs/testing.md names each mutant, alone or by what a group of them
// begins with.
func TestMutantsAreListed(t *testing.T) {
	doc, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile("`([a-z0-9*-]+)`").FindAllSubmatch(doc, -1) {
		listed = append(listed, string(m[1]))
	}
	patches, err := filepath.Glob("../mutants/*.patch")
	if err != nil || len(patches) == 0 {
		t.Fatalf("%d mutants, %v", len(patches), err)
	}
	for _, p := range patches {
		name := strings.TrimSuffix(filepath.Base(p), ".patch")
		if !slices.ContainsFunc(listed, func(pattern string) bool { ok, _ := path.Match(pattern, name); return ok }) {
			t.Errorf("docs/testing.md does not list the mutant %s", name)
		}
	}
}
