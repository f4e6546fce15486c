// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// findsNothing fails if `utmpctl check` finds something in what real programs wrote.
func findsNothing(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(utmpctlBinary, "check", utmpFile, wtmpFile).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("utmpctl check: %v\n%s", err, out)
	}
}

// TestRepairBesideUtmpd: utmpd goes on with a log that was repaired: the session that was
// on has one logout, and it is in the new file.
func TestRepairBesideUtmpd(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	startUtmpd(t)
	s := loginOnPTY(startLogin)(t)
	f, err := os.OpenFile(wtmpFile, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(bytes.Repeat([]byte{0xee}, utmpx.Native().Size())); err != nil {
		t.Fatal(err)
	}
	f.Close()
	out, err := exec.Command(utmpctlBinary, "check", wtmpFile).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no whole record here, at most 1 is lost") {
		t.Errorf("utmpctl check: %v\n%s", err, out)
	}
	out, err = exec.Command(utmpctlBinary, "repair", wtmpFile).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "the old file is "+wtmpFile+".damaged-") {
		t.Fatalf("utmpctl repair: %v\n%s", err, out)
	}
	if n := logouts(t, s.entry); n != 0 {
		t.Errorf("%d logouts of a living session", n)
	}
	for _, pid := range []int{s.server, s.shell} { // login would write the logout once its shell ends
		syscall.Kill(pid, syscall.SIGKILL)
	}
	waitFor(t, generous, "the logout in the repaired log, and the mark", func() bool {
		return logouts(t, s.entry) > 0 && !slices.Contains(records(t, utmpFile), s.entry)
	})
	settle(t)
	if n := logouts(t, s.entry); n != 1 {
		t.Errorf("%d logouts", n)
	}
	findsNothing(t)
}
