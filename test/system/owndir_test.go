// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestForeignDirs has alice put a pid file of hers, or take utmpd's away, where she may
// write the directory or one above it. utmpd refuses such a directory, says why, and works
// in one of its own below /tmp.
func TestForeignDirs(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll("/tmp/open/run", 0o755))
	must(os.Chmod("/tmp/open", 0o777))
	must(os.MkdirAll("/tmp/group", 0o755))
	must(os.Chown("/tmp/group", 0, utmpGroup))
	must(os.Chmod("/tmp/group", 0o775))
	if out, err := asAlice(exec.Command("/bin/sh", "-c", "mkdir /tmp/hers && ln -s /tmp/hers /tmp/link")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, tt := range []struct{ key, dir, want string }{
		{"RUN_DIR", "/tmp/open/run", "/tmp/open: others may write it"},
		{"RUN_DIR", "/tmp/open/run/new", "/tmp/open: others may write it"},
		{"STATE_DIR", "/tmp/open/run", "/tmp/open: others may write it"},
		{"RUN_DIR", "/tmp/hers", "belongs to uid"},
		{"RUN_DIR", "/tmp/hers/new", "/tmp/hers: belongs to uid"},
		{"RUN_DIR", "/tmp/link/run", "/tmp/link: a symbolic link of uid"},
		{"RUN_DIR", "/tmp", "others may write it"},
		{"RUN_DIR", "/tmp/group", "others may write it"},
		{"STATE_DIR", "/tmp/group/state", "/tmp/group: others may write it"},
	} {
		t.Run(tt.key+tt.dir, func(t *testing.T) {
			configure(t, tt.key+"="+tt.dir)
			status, _, stderr := command(t, "-check")
			if status != 1 || !strings.Contains(stderr, configFile+":1: "+tt.key) || !strings.Contains(stderr, tt.want) {
				t.Errorf("utmpd -check: status %d, %q, want %q", status, stderr, tt.want)
			}
			status, _, stderr = command(t, "-foreground", "-config", configFile)
			if status != 1 || !strings.Contains(stderr, "utmpd ends") || !strings.Contains(stderr, tt.want) {
				t.Errorf("utmpd: status %d, %q, want %q", status, stderr, tt.want)
			}
			if _, err := os.Lstat(tt.dir + "/utmpd.pid"); err == nil {
				t.Error("utmpd has written its pid file")
			}
		})
	}
	d := startUtmpd(t, "RUN_DIR=/tmp/own/run", "STATE_DIR=/var/run/../lib/utmpd")
	w := dwell(t, "x/1")
	w.watched(t, d)
	w.mustGo(t, w.kill(t))
	d.stop(t)
}
