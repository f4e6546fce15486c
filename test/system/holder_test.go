// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHolderOfOFDLock holds a lock of which the kernel names no holder. utmpd names it where
// it may look at descriptors, and else says that it may not.
func TestHolderOfOFDLock(t *testing.T) {
	for _, tt := range []struct {
		name    string
		refused []refusal
		want    []string
	}{
		{"without Landlock", []refusal{noLandlock}, []string{"a lock is held by", "file=/var/run/utmp", fmt.Sprintf(`processes="%d root"`, os.Getpid()), `"all processes seen"=true`}},
		{"with it", nil, []string{"utmpd cannot see who holds a lock: as root, try fuser -v", "file=/var/run/utmp"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			configure(t)
			d := startUtmpdRefused(t, tt.refused)
			w := dwell(t, "x/1")
			w.watched(t, d)
			f, err := os.Open(utmpFile)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart}); err != nil {
				t.Fatal(err)
			}
			died := w.kill(t)
			d.waitLog(t, "cleaning waits")
			d.waitLog(t, tt.want...)
			f.Close()
			w.mustGo(t, died)
		})
	}
}
