// SPDX-License-Identifier: BSD-2-Clause

package config

import (
	"os/exec"
	"strings"
	"testing"
)

// TestAsShell holds the quoting to what the system's shell makes of it.
func TestAsShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh on this system")
	}
	tests := []struct{ name, value string }{
		{"plain", `/a/b`},
		{"single", `'/a b$c\d"e#f'`},
		{"double", `"/a b'c\"\\\$\` + "`" + `\d#f"`},
		{"backslash", `/a\ b\$c\'\#\"\d`},
		{"adjacent", `'/a'"b"c\ d''"e"`},
		{"# in a word", `/a#b`},
		{"comment", `/a #b`},
		{"empty", `''`},
		{"quoted quote", `'it'\''s'`},
		{"our own quoting", quote("/it's a \"$HOME\" `x` \\ # *?[a]~!{}")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			line := "export RUN_DIR=" + tt.value
			want, err := exec.Command(sh, "-c", line+"\nprintf %s \"$RUN_DIR\"").Output()
			if err != nil {
				t.Fatal(err)
			}
			_, got, err := assignment(line)
			if err != nil || got != string(want) {
				t.Errorf("%s: got %q, %v; the shell says %q", line, got, err, want)
			}
			if strings.Contains(got, "\n") {
				t.Errorf("a newline in %q", got)
			}
		})
	}
}
