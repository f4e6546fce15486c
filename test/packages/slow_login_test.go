// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSlowLogin has login(1) work for seconds after logind has its session, in a PAM module
// that mounts a home directory, say: only then does login of Debian 12 record the session.
// So there utmpd must not, and login of Debian 13 records none.
func TestSlowLogin(t *testing.T) {
	for _, root := range []string{people12, people13} {
		t.Run(root, func(t *testing.T) {
			o := settle(t, root, false)
			o.sh("echo 'session optional pam_exec.so /bin/sleep 4' >>/etc/pam.d/login")
			o.sh(people + " on ttyS7 python3 /usr/local/bin/line.py ttyS7 serial")
			o.shell("ttyS7", "ttyS7", "serial", "")
			o.waitFor("the record", "who /run/utmp | grep -q 'serial *ttyS7'")
			o.sh("sleep 3")
			want := map[string][]int{"serial ttyS7": {0}}
			if diff := cmp.Diff(want, o.closed(o.path("/var/log/wtmp"))); diff != "" {
				t.Errorf("logins, and how often each was closed (-want +got):\n%s\n%s", diff, o.sh("journalctl -b -o short-precise -u utmpd -u systemd-logind | tail -20; utmpdump /var/log/wtmp"))
			}
			recorded := map[string]string{people12: "0", people13: "1"}[root]
			o.is("how often utmpd has recorded it", "journalctl -b -o cat -u utmpd | grep -c 'session recorded' || true", recorded)
			o.sh(people + " say ttyS7 exit")
			o.waitFor("its end", "! who /run/utmp | grep -q ttyS7")
			o.shutDown()
		})
	}
}
