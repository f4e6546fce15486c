// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"os"
	"slices"
	"strings"
	"testing"

	"utmpd.dev/utmpd/internal/config"
)

// TestReach checks that what utmpd reads once it works is below a directory that it may
// read, whether the machine has it or not.
func TestReach(t *testing.T) {
	d := &daemon{cfg: settings{Config: config.Config{Fixed: config.Fixed{UtmpxFile: "/nowhere/utmp", WtmpxFile: "/nowhere/wtmp"}}}}
	dirs := d.reach()
	for _, name := range []string{"/proc/1/stat", "/etc/passwd", logindSessions + "/c1"} {
		if !slices.ContainsFunc(dirs.Read, func(dir string) bool { return dir != "/" && strings.HasPrefix(name, dir+"/") }) {
			t.Errorf("%s is below none of %q", name, dirs.Read)
		}
	}
	for _, dir := range dirs.Read {
		if _, err := os.Stat(dir); os.IsNotExist(err) && strings.HasPrefix(dir, "/run") {
			t.Errorf("%s does not exist: it would get no rule", dir)
		}
	}
}
