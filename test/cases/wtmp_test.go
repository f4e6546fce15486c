// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestLoginOnAnotherLine has programs whose login stands under another line in wtmp.
func TestLoginOnAnotherLine(t *testing.T) {
	for _, test := range []struct{ name, utmp, wtmp string }{
		{"xrdp", "xrdp:11", ":11"},
		{"xrdp, no line", "", ":12"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			session, now := sleeper(t), time.Now()
			line := test.wtmp
			if strings.Contains(line, "%d") {
				line = fmt.Sprintf(line, session.Process.Pid)
			}
			utmp := []rec{boot(machineBoot(t))}
			if test.utmp != "-" {
				utmp = append(utmp, login("test", test.utmp, session.Process.Pid, now).withID("11"))
			}
			w := newWorld(t, x86.bytes(utmp...), x86.bytes(boot(machineBoot(t)), login("test", line, session.Process.Pid, now).withID("")))
			w.start(t)
			w.judged(t)
			w.stays(t, session.Process.Pid, line)
			end(t, session)
			out := w.loggedOut(t, line)
			if out.pid != int32(session.Process.Pid) {
				t.Errorf("the logout is of %d, not %d: %v", out.pid, session.Process.Pid, out)
			}
		})
	}
}
