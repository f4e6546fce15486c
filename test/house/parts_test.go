// SPDX-License-Identifier: BSD-2-Clause

package house

import (
	"os/exec"
	"strings"
	"testing"
)

// TestParts: test/parts.sh runs every part, and fails if one does, with what it said in the last
// ten lines.
func TestParts(t *testing.T) {
	failing := `echo '--- FAIL: TestA (1.00s)'; echo '    a_test.go:3: in the guest: exit status 1'; ` +
		`echo '        b_test.go:4: a record is lost'; seq 100; exit 1`
	for _, test := range []struct {
		name   string
		args   []string
		ok     bool
		within []string // of the last ten lines
	}{
		{"all right", []string{"one: true", "two: true"}, true, []string{"one            ok", "two            ok"}},
		{"a test", []string{"one: " + failing, "two: true"}, false, []string{"two            ok", "one: TestA b_test.go:4: a record is lost"}},
		{"at once", []string{"-v", "one: " + failing, "two: true"}, false, []string{"two            ok", "one: TestA b_test.go:4: a record is lost"}},
		{"a mutant", []string{"one: echo 'GREEN  m: no test notices'; seq 100; exit 1"}, false, []string{"one: GREEN  m: no test notices"}},
		{"anything", []string{"one: seq 100; exit 1"}, false, []string{"one: 100"}},
		{"three", []string{"one: " + failing, "two: exit 3", "three: kill -9 $$"}, false, []string{"one            FAILED", "two            FAILED", "three          FAILED"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := exec.Command("../parts.sh", test.args...).CombinedOutput()
			if (err == nil) != test.ok {
				t.Errorf("it ended with %v", err)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			last := strings.Join(lines[max(0, len(lines)-10):], "\n")
			for _, want := range test.within {
				if !strings.Contains(last, want) {
					t.Errorf("the last lines lack %q:\n%s", want, last)
				}
			}
		})
	}
}
