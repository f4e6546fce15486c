// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHistoryIsKept has settings that would have utmpd clean a log: every login of a
// dead process in its history would be lost.
func TestHistoryIsKept(t *testing.T) {
	log := x86.bytes(append(day("2024-11-01"), day("2024-11-02")...)...)
	for _, test := range []struct{ name, utmp, wtmp string }{
		{"the log as the utmpx file", "log/wtmp", "log/other"},
		{"swapped", "log/wtmp", "run/utmp"},
		{"a link to the log", "run/link", "log/other"},
		{"the log under another name", "log/sessions", "log/other"},
		{"one file", "log/sessions", "log/hard"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			w := newWorld(t, nil, nil)
			name := func(s string) string { return filepath.Join(w.dir, s) }
			os.Mkdir(name("log"), 0o755)
			for _, n := range []string{"log/wtmp", "log/sessions"} {
				w.write(t, name(n), log)
			}
			w.write(t, name("log/other"), x86.bytes(boot(machineBoot(t))))
			os.Symlink("../log/wtmp", name("run/link"))
			os.Link(name("log/sessions"), name("log/hard"))
			w.write(t, w.conf, []byte("UTMPX_FILE="+name(test.utmp)+"\nWTMPX_FILE="+name(test.wtmp)+"\nRUN_DIR="+name("run/utmpd")+"\nSTATE_DIR="+name("state")+"\nBOOT_RECORDS=yes\nRUNLEVEL_RECORDS=no\n"))
			for _, args := range [][]string{{utmpd, "-check"}, {utmpd, "-foreground"}, {utmpctl, "boot"}, {utmpctl, "shutdown"}} {
				out, err := exec.Command(args[0], append(args[1:], "-config", w.conf)...).CombinedOutput()
				if err == nil || len(out) == 0 {
					t.Errorf("%s %s: %v: %s", filepath.Base(args[0]), args[1], err, out)
				}
			}
			for _, n := range []string{"log/wtmp", "log/sessions"} {
				if b, err := os.ReadFile(name(n)); err != nil || !bytes.Equal(b, log) {
					t.Errorf("%s was changed: %v", n, err)
				}
			}
		})
	}
}

// TestOneFileLater makes the utmpx file a link to the log while utmpd works.
func TestOneFileLater(t *testing.T) {
	if !enter(t) {
		return
	}
	session := sleeper(t)
	file := x86.bytes(boot(machineBoot(t)), login("bob", "pts/70", session.Process.Pid, time.Now()))
	w := newWorld(t, file, file)
	d := w.start(t)
	if err := os.Remove(w.utmp); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(w.wtmp, w.utmp); err != nil {
		t.Fatal(err)
	}
	end(t, session)
	await(t, "the end", func() bool { return strings.Contains(d.logged(), `msg="utmpd ends"`) })
	if b, err := os.ReadFile(w.wtmp); err != nil || !bytes.Equal(b, file) {
		t.Errorf("the log was changed: %v", err)
	}
}
