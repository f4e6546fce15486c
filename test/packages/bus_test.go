// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"regexp"
	"strings"
	"testing"
)

// TestBus has code in the place of utmpd, in its unit and as its user, ask the services of
// the bus, with polkit, for ways out of the sandbox. The manager that it may have does not
// come up in this guest, which may make no control groups for it; that its sockets cannot be
// reached does not depend on that.
func TestBus(t *testing.T) {
	o := settle(t, people13, false)
	o.sh(people + " on one ssh -tt one@localhost")
	o.shell("one", "one", "one", "")
	o.sh(`sed -e 's/^Type=.*/Type=oneshot/; s|^ExecStart=.*|ExecStart=/usr/local/bin/intruder.sh|; /^Restart/d; /^WatchdogSec/d; /^ExecReload/d; /^RuntimeDirectory/d; /^StateDirectory/d' \
		/usr/lib/systemd/system/utmpd.service >/etc/systemd/system/intruder.service
systemctl daemon-reload
systemctl start intruder`)
	out := o.sh("journalctl -b -o cat _SYSTEMD_UNIT=intruder.service")
	asked := strings.Split(strings.TrimSpace(out), "\n")
	denied := regexp.MustCompile(`Interactive authentication required|Access denied|Operation not permitted|Permission denied`)
	for _, a := range asked[:len(asked)-1] {
		if own := a == "have a manager of its own: yes"; !own && !denied.MatchString(a) {
			t.Error(a)
		}
	}
	if len(asked) != 20 || asked[len(asked)-1] != "done" {
		t.Errorf("%d lines, want 20 with done:\n%s", len(asked), out)
	}
	o.shutDown()
}
