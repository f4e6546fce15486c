// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"strings"
	"testing"
)

// TestInhabited: the control group of this process is one that has a process.
func TestInhabited(t *testing.T) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := Inhabited()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == '/' || r == '\n' }) {
		if id := strings.TrimSuffix(strings.TrimPrefix(name, "session-"), ".scope"); !ids[id] {
			t.Errorf("%q has no process", id)
		}
	}
	if ids["no-such-session"] {
		t.Error("a session that is not there has a process")
	}
}
