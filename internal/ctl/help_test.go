// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"os"
	"path/filepath"
	"regexp"
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

// TestCommandsDescribed: a manual page has the synopsis of each command, with its options, and
// utmpctl(8) names the command. Each option is described in that page or in utmpctl(8).
func TestCommandsDescribed(t *testing.T) {
	names, err := filepath.Glob("../../man/utmpctl*.8")
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	pages := map[string]string{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages[filepath.Base(name)] = string(b)
	}
	main := pages["utmpctl.8"]
	for _, c := range commands() {
		if !regexp.MustCompile(`(?m)^\.It Cm (.* )?` + c.name + `( |$)`).MatchString(main) {
			t.Errorf("utmpctl(8) does not name %s", c.name)
		}
		synopsis := regexp.MustCompile(`(?m)^\.Nm(?: utmpctl)?\n\.Cm ` + c.name + `\n((?:\.O.*\n|\.Ar.*\n|\.Cm.*\n)*)`)
		found := 0
		for name, text := range pages {
			usage, described, _ := strings.Cut(text, ".Sh DESCRIPTION")
			m := synopsis.FindStringSubmatch(usage)
			if m == nil {
				continue
			}
			found++
			for _, o := range c.options {
				flag := regexp.MustCompile(`(?m)(?:Fl |\| )` + o.name + `(?: |$)`)
				if o.name == "all" {
					flag = regexp.MustCompile(`Fl a\b`)
				}
				if !flag.MatchString(m[1]) {
					t.Errorf("%s: the synopsis of %s lacks -%s", name, c.name, o.name)
				}
				if !flag.MatchString(described) && !flag.MatchString(main) {
					t.Errorf("%s: -%s of %s is not described", name, o.name, c.name)
				}
			}
		}
		if found != 1 {
			t.Errorf("%d pages have the synopsis of %s", found, c.name)
		}
	}
}
