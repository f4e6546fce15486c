// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// otherEnv names a deb of another version to upgrade from, such as the last release's.
// Without it the tests take this source's with a later number.
const otherEnv = "UTMPD_TEST_OTHER_DEB"

// TestUpgradeWithSessions checks that sessions live through an upgrade and a downgrade of
// the package, and that one that is killed while there is no daemon, or after either, gets
// one logout.
func TestUpgradeWithSessions(t *testing.T) {
	other := "/packages/newer/utmpd_*_amd64.deb"
	if name := os.Getenv(otherEnv); name != "" {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		other = "/packages/dist/other.deb"
		if err := os.WriteFile(filepath.Join(host.dist, "other.deb"), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ours := "/packages/dist/utmpd_*_amd64.deb"
	for _, root := range []string{debian12, debian13} {
		t.Run(root, func(t *testing.T) {
			m := newMachine(t, root)
			m.sh("rm -f /var/log/wtmp; install -m 664 -o root -g utmp /dev/null /var/log/wtmp; systemctl mask systemd-firstboot.service systemd-networkd.service >/dev/null 2>&1")
			b := m.start()
			b.sh("dpkg -i " + ours)
			b.works()
			watched := func(n int) {
				t.Helper()
				b.waitFor("the sessions to be watched", fmt.Sprintf("systemctl is-active -q utmpd && grep -q '^watched: %d$' /run/utmpd/status", n))
			}
			log, file := []string{"boot"}, []string{"boot"}
			users := []string{"alice", "bob", "carol", "dave", "erin"}
			for i, user := range users {
				b.login(user, fmt.Sprintf("pts/%d", i+3))
				watched(i + 1) // in this order
				log, file = append(log, "+"+user), append(file, "+"+user)
			}
			ended := 0
			ends := func(when string) {
				t.Helper()
				line := fmt.Sprintf("-pts/%d", ended+3)
				log, file[ended+1] = append(log, line), line
				ended++
				b.records("the log, "+when, "/var/log/wtmp", log...)
				b.records("the file, "+when, "/run/utmp", file...)
			}
			stands := func(when string) {
				t.Helper()
				b.records("the log, "+when, "/var/log/wtmp", log...)
				b.records("the file, "+when, "/run/utmp", file...)
			}
			b.sh("dpkg -i " + other)
			watched(5)
			stands("after the upgrade")
			b.sh("systemctl kill -s KILL session-alice")
			ends("after the upgrade")
			b.sh("dpkg -i " + ours + " 2>&1") // dpkg warns of a downgrade
			watched(4)
			stands("after the downgrade")
			b.sh("systemctl kill -s KILL session-bob")
			ends("after the downgrade")
			b.sh("systemctl stop utmpd; systemctl kill -s KILL session-carol; dpkg -i " + other + "; systemctl start utmpd")
			watched(2)
			ends("killed while the package was upgraded")
			b.sh("systemctl stop utmpd; dpkg -i " + ours + " 2>&1; systemctl kill -s KILL session-dave; systemctl start utmpd")
			watched(1)
			ends("killed while it was downgraded")
			b.sh("systemctl kill -s KILL session-erin")
			ends("at the end")
			b.shutDown()
		})
	}
}
