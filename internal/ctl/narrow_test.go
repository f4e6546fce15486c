// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// TestNarrow: on a narrow screen seconds give way, and the year if it is this one, so that the
// last column is seen; of less than that, each line is cut, with a mark.
func TestNarrow(t *testing.T) {
	l := newLab(t)
	l.clock = at("20:00")
	killed := login("pts/1", 7, "09:30")
	killed.Type, killed.User, killed.Exit.Termination = utmpx.DeadProcess, "", 9
	older := login("pts/9", 8, "07:00")
	older.Time.Sec -= 366 * 24 * 3600
	l.logs(older, system(utmpx.BootTime, "reboot", "08:00"), login("pts/1", 7, "09:00"), killed, login("pts/10", 9, "10:00"))
	for _, c := range []struct{ width, command, want string }{
		{"60", "last", `
USER   LINE    HOST  FROM (UTC)        TO       ENDED BY
alice  pts/10  desk  07-01 10:00       -        the log ends
alice  pts/1   desk  07-01 09:00       09:30    signal 9
alice  pts/9   desk  2025-06-30 07:00  > 07:00  crash, +366+

3 sessions: 3 alice
`},
		{"50", "last", `
USER  LINE   HOST  FROM (UTC)        TO       END+
ali+  pts/+  desk  07-01 10:00       -        the+
ali+  pts/1  desk  07-01 09:00       09:30    sig+
ali+  pts/9  desk  2025-06-30 07:00  > 07:00  cra+

3 sessions: 3 alice
`},
		{"40", "last", `
USER  LINE   HOST  FROM (UTC)        TO+
ali+  pts/+  desk  07-01 10:00       - +
ali+  pts/1  desk  07-01 09:00       09+
ali+  pts/9  desk  2025-06-30 07:00  > +

3 sessions: 3 alice
`},
		{"40", "downtime", `
FROM (UTC)         TO     END      UP  +
2025-06-30 07:00?  07:00  crashed  0s  +
07-01 08:00        10:00  unknown  2h00m

2025-06-30 07:00:00 to 2026-07-01
10:00:00: 2 boots, 1 crash;
up 2h00m, down 0s, unknown 366d01h;
available 0.023 to 100.000 %
`},
		{"40", "who -at 09:10", `
USER   LINE   FROM  SINCE (UTC)  ON
alice  pts/1  desk  07-01 09:00  yes

2026-07-01 09:10:00: 1 on
`},
	} {
		t.Setenv("COLUMNS", c.width)
		t.Setenv("LC_ALL", "C")
		if d := cmp.Diff(c.want, "\n"+l.do(append(strings.Fields(c.command), "-f", l.path("wtmp"))...)); d != "" {
			t.Errorf("%s, %s columns: (-want +got)\n%s", c.command, c.width, d)
		}
	}
}
