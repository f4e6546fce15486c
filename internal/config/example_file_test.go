// SPDX-License-Identifier: BSD-2-Clause

package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The file that is shipped says what holds without it: each key, commented out,
// with its default.
func TestShippedFile(t *testing.T) {
	text, err := os.ReadFile("../../init/default/utmpd")
	if err != nil {
		t.Fatal(err)
	}
	setting := regexp.MustCompile(`(?m)^#([A-Z_]+=)`)
	for name, text := range map[string]string{
		"as it is":     string(text),
		"all in force": setting.ReplaceAllString(string(text), "$1"),
	} {
		c, warnings := Parse(strings.NewReader(text), name)
		if len(warnings) > 0 {
			t.Errorf("%s: %v", name, warnings)
		}
		// Paths have defaults that depend on the system, which the file names for Linux.
		c.UtmpxFile, c.WtmpxFile, c.PipeFile, c.RunDir, c.StateDir = "", "", "", "", ""
		if diff := cmp.Diff(Default(), c); diff != "" {
			t.Errorf("%s (-default +file):\n%s", name, diff)
		}
	}
	if got := len(setting.FindAll(text, -1)); got != len(keys) {
		t.Errorf("%d keys of %d", got, len(keys))
	}
}

// TestKeysDescribed: utmpd-files(5) describes each key.
func TestKeysDescribed(t *testing.T) {
	page, err := os.ReadFile("../../man/utmpd-files.5")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if !strings.Contains(string(page), "\n.It Ev "+k.name+"\n") {
			t.Errorf("utmpd-files(5) does not describe the key %s", k.name)
		}
	}
}
