// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRun0 has root become somebody else by run0, which has a session of logind's of its own on
// a terminal of its own: that is no login, as that of su is none.
func TestRun0(t *testing.T) {
	o := settle(t, people13, false)
	o.sh(people + " on rooted ssh -tt root@localhost")
	o.shell("rooted", "rooted", "root", "")
	o.sh(people + " say rooted 'run0 -u sued bash'")
	o.shell("rooted", "sued", "sued", "")
	o.waitFor("the record", "who /run/utmp | grep -q root")
	o.sh("sleep 3; loginctl list-sessions --no-legend | grep -q sued")
	o.is("sessions in utmp", "who /run/utmp | grep -c .", "1")
	o.is("sessions of utmpctl who", "utmpctl who -count", "1")
	want := map[string][]int{"root " + o.tty["rooted"]: {0}}
	if diff := cmp.Diff(want, o.closed(o.path("/var/log/wtmp"))); diff != "" {
		t.Errorf("logins, and how often each was closed (-want +got):\n%s", diff)
	}
	o.shutDown()
}
