// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestSideBySide runs two utmpd on the same files: one that was installed by hand has
// directories of its own, so neither knows the other. With the same directories, the
// second is refused. Nothing is marked or logged out twice.
func TestSideBySide(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	out, err := utmpdCommand(nil).CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("already running as process %d", d.cmd.Process.Pid)) {
		t.Errorf("a second one with the same directories: %v, %s", err, out)
	}
	const other = "/etc/utmpd-other"
	for _, dir := range []string{"/run/other", "/var/lib/other"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(other, []byte("RUN_DIR=/run/other\nSTATE_DIR=/var/lib/other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	second := startUtmpdBy(t, exec.Command(utmpdBinary, "-foreground", "-config", other))
	lives := dwell(t, "x/0")
	var dying []*dweller
	for i := range 20 {
		dying = append(dying, dwell(t, fmt.Sprintf("x/%d", 1+i)))
	}
	for _, w := range append(dying, lives) {
		w.watched(t, d)
		w.watched(t, second)
	}
	var died []death
	for _, w := range dying {
		died = append(died, w.kill(t))
	}
	for i, w := range dying {
		w.mustGo(t, died[i])
	}
	settle(t)
	for _, w := range dying {
		if got := logouts(t, w.entry); got != 1 {
			t.Errorf("wtmp holds %d logouts for %v", got, w.entry)
		}
	}
	lives.mustStand(t)
	d.stop(t)
	second.stop(t)
}

// TestOtherVersion starts utmpd after one of another version, older or newer, whose table
// it does not read. Who lives stays, who died meanwhile is marked, and the log says that
// the table was not read.
func TestOtherVersion(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	for i, version := range []string{"0", "2"} {
		lives, dies := dwell(t, fmt.Sprintf("l/%d", i)), dwell(t, fmt.Sprintf("d/%d", i))
		awaitSaved(t, lives, dies)
		d.stop(t)
		sealAs(t, "/run/utmpd/table", version)
		died := dies.kill(t)
		d = startUtmpdAs(t, nil)
		d.waitLog(t, "the saved table is not used", `does not begin with \"utmpd-table 1`)
		waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, dies.entry.Line) })
		died.to = time.Now()
		dies.mustGo(t, died)
		lives.mustStand(t)
		lives.watched(t, d)
		lives.mustGo(t, lives.kill(t))
	}
}

// TestTableWithChanges: a table that was added to is used by the next utmpd, also if utmpd was
// killed while it added to it; one that an older utmpd does not believe is what that finds.
func TestTableWithChanges(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	const name = "/run/utmpd/table"
	d := startUtmpd(t)
	for i, torn := range []string{"", "change\nalive 2026-01-02T03:04:05.678Z\ngo"} {
		lives, dies := dwell(t, fmt.Sprintf("l/%d", i)), dwell(t, fmt.Sprintf("d/%d", i))
		awaitSaved(t, lives, dies)
		later := dwell(t, fmt.Sprintf("e/%d", i))
		awaitSaved(t, later)
		d.kill()
		text := string(readFile(t, name))
		if !strings.Contains(text, "\nchange\n") {
			t.Errorf("nothing was added to the table:\n%s", text)
		}
		if err := os.WriteFile(name, []byte(text+torn), 0o600); err != nil {
			t.Fatal(err)
		}
		died, diedLater := dies.kill(t), later.kill(t)
		reincarnate(t, int(later.entry.PID))
		d = startUtmpdAs(t, nil)
		for _, w := range []*dweller{dies, later} {
			waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, w.entry.Line) })
		}
		died.to, diedLater.to = time.Now(), time.Now()
		dies.mustGo(t, died)
		later.mustGo(t, diedLater) // only the table told its process from the one that has its pid
		lives.mustStand(t)
		if strings.Contains(d.logged(), "the saved table") {
			t.Errorf("the table was not used:\n%s", d.logged())
		}
	}
	d.stop(t)
	if text := string(readFile(t, name)); strings.Contains(text, "\nchange\n") {
		t.Errorf("after an orderly end the table is not whole, as an older utmpd needs it:\n%s", text)
	}
}

// sealAs makes a table one of another version, whole and with its checksum.
func sealAs(t *testing.T, name, version string) {
	t.Helper()
	const sum = "sha256 "
	text := strings.Replace(string(readFile(t, name)), "utmpd-table 1\n", "utmpd-table "+version+"\n", 1)
	at := strings.LastIndex(text, "\n"+sum) + 1
	if at == 0 {
		t.Fatalf("no checksum in %q", text)
	}
	hash := sha256.Sum256([]byte(text[:at]))
	if err := os.WriteFile(name, []byte(text[:at]+sum+hex.EncodeToString(hash[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}
