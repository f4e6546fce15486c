// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"strings"
	"testing"
)

// TestHelp holds that the help of each command is one screen, with two examples.
func TestHelp(t *testing.T) {
	screens := map[string]string{"": overview()}
	for _, c := range commands() {
		screens[c.name] = c.help()
		if len(c.examples) != 2 {
			t.Errorf("%s has %d examples, want 2", c.name, len(c.examples))
		}
	}
	for name, text := range screens {
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) > 24 {
			t.Errorf("the help %s has %d lines, a screen 24", name, len(lines))
		}
		for _, line := range lines {
			if len(line) > 80 {
				t.Errorf("the help %s is wider than 80 columns: %s", name, line)
			}
		}
	}
}
