// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestThisMachine: the real machine answers as the tests' machine does.
func TestThisMachine(t *testing.T) {
	on := thisMachine()
	if !on.alive(int32(os.Getpid())) {
		t.Error("this process is dead")
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if on.alive(int32(cmd.Process.Pid)) {
		t.Error("a process that was waited for lives")
	}
	if got := on.led([]string{"no/such/terminal", "../x"}); !slices.Equal(got, []bool{false, false}) {
		t.Errorf("terminals that are not there have leaders: %v", got)
	}
	if on.uptime() <= 0 || on.release() == "" {
		t.Errorf("up %v, release %q", on.uptime(), on.release())
	}
	if name := filepath.Join(t.TempDir(), "no"); on.volatile(name) {
		t.Error("a file that is not there is in memory")
	}
}
