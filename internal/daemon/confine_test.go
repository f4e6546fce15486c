// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/sandbox"
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

// TestOlderLandlock: a Landlock that is merely older is no line in the log. The status has it.
func TestOlderLandlock(t *testing.T) {
	var log strings.Builder
	d := &daemon{log: logger{Logger: slog.New(slog.NewTextHandler(&log, nil))}}
	d.without(fmt.Errorf("sandbox: files: %w", &sandbox.OlderError{Version: 3, Complete: 5}))
	if log.Len() > 0 || !strings.Contains(d.older, "(Linux 6.10)") {
		t.Errorf("the status says %q, the log:\n%s", d.older, log.String())
	}
	d.older = ""
	d.without(errors.New("sandbox: files: landlock: function not implemented"))
	if !strings.Contains(log.String(), `"without a part of the sandbox" error="sandbox: files: landlock`) || d.older != "" {
		t.Errorf("no Landlock: the status says %q, the log:\n%s", d.older, log.String())
	}
}
