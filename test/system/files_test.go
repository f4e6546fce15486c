// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestUtmpReplaced checks that utmpd follows the utmp file when it is replaced,
// removed or truncated.
func TestUtmpReplaced(t *testing.T) {
	for _, c := range []struct {
		name    string
		replace func(*testing.T)
		stays   bool // the old records are in the new file
	}{
		{"renamed over", func(t *testing.T) {
			b := readFile(t, utmpFile)
			writeLog(t, utmpFile+".new", b)
			if err := os.Rename(utmpFile+".new", utmpFile); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"truncated", func(t *testing.T) {
			if err := os.Truncate(utmpFile, 0); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"removed and recreated", func(t *testing.T) {
			if err := os.Remove(utmpFile); err != nil {
				t.Fatal(err)
			}
			writeLog(t, utmpFile, nil)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			d := startUtmpd(t)
			old := dwell(t, "x/1")
			old.watched(t, d)
			c.replace(t)
			next := dwell(t, "x/2")
			next.watched(t, d)
			if c.stays {
				old.mustStand(t)
				old.mustGo(t, old.kill(t))
			}
			next.mustStand(t)
			next.mustGo(t, next.kill(t))
		})
	}
}

// TestUtmpCreatedLate checks that utmpd is ready before utmp exists, and waits
// for it.
func TestUtmpCreatedLate(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	if err := os.Remove(utmpFile); err != nil {
		t.Fatal(err)
	}
	d := startUtmpd(t)
	writeLog(t, utmpFile, nil)
	w := dwell(t, "x/1")
	w.watched(t, d)
	w.mustGo(t, w.kill(t))
}

// TestWtmpRotated checks that the logout of a session that began before the
// rotation is written to the new file, and that the old file does not change.
func TestWtmpRotated(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	w := dwell(t, "x/1")
	w.watched(t, d)
	const rotated = wtmpFile + ".1"
	if err := os.Rename(wtmpFile, rotated); err != nil {
		t.Fatal(err)
	}
	writeLog(t, wtmpFile, nil)
	old := readFile(t, rotated)
	died := w.kill(t)
	waitFor(t, generous, "who to stop showing the session", func() bool { return !whoShows(t, w.entry.Line) })
	if !bytes.Equal(old, readFile(t, rotated)) {
		t.Error("the rotated file has changed")
	}
	got := records(t, wtmpFile)
	if len(got) != 1 || got[0].Type != 8 || got[0].Line != w.entry.Line {
		t.Fatalf("the new file holds %v", got)
	}
	within(t, "the logout", got[0].Time.Time(), died)
	next := dwell(t, "x/2")
	next.watched(t, d)
	next.mustGo(t, next.kill(t))
}

// writeLog creates a utmp or wtmp file as logrotate and tmpfiles do.
func writeLog(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o664); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(name, 0, utmpGroup); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o664); err != nil {
		t.Fatal(err)
	}
}

// TestHeartbeat checks that utmpd updates wtmp's access time, also after a
// rotation.
func TestHeartbeat(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	startUtmpd(t, "WTMPX_UPDATE_FREQ=1")
	const rotated = wtmpFile + ".1"
	beats(t)
	beats(t)
	if err := os.Rename(wtmpFile, rotated); err != nil {
		t.Fatal(err)
	}
	writeLog(t, wtmpFile, nil)
	beats(t)
}

// beats sets wtmp's access time back and waits for the next heartbeat.
func beats(t *testing.T) {
	t.Helper()
	mtime := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(wtmpFile, mtime, mtime); err != nil {
		t.Fatal(err)
	}
	var st syscall.Stat_t
	waitFor(t, generous, "wtmp's access time to move", func() bool {
		if err := syscall.Stat(wtmpFile, &st); err != nil {
			t.Fatal(err)
		}
		return time.Since(time.Unix(st.Atim.Unix())) < 5*time.Second
	})
	if got := time.Unix(st.Mtim.Unix()); !got.Equal(mtime) {
		t.Errorf("the heartbeat changed the modification time to %v", got)
	}
}
