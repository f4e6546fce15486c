// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLogUnanswered: the file system of wtmp does not even answer look-ups, as that of a
// server that is away. utmpd marks who dies, and ends when it is told to.
func TestLogUnanswered(t *testing.T) {
	for _, as := range []string{"root", ownUser} {
		t.Run(as, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			keys := []string{"SCAN_PERIOD=1", "WTMPX_UPDATE_FREQ=1"}
			if as != "root" {
				makeUser(t)
				keys = append(keys, "RUN_AS="+as)
			}
			p := beside(t, keys...)
			mountMute(t, "/var/log", unix.S_IFDIR)
			time.Sleep(2 * time.Second) // a periodic reading
			p.dies.kill(t)
			waitFor(t, generous, "utmp to be marked in spite of the disk", func() bool { return !whoShows(t, p.dies.entry.Line) })
			p.d.waitLog(t, "session ended", "line=x/2", "logout=owed")
			if !whoShows(t, p.lives.entry.Line) {
				t.Error("a living session is not shown")
			}
			p.d.cmd.Process.Signal(syscall.SIGTERM)
			p.d.waitLog(t, "utmpd ended")
		})
	}
}
