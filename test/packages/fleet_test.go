// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestFleet: the packages of the fleet say nothing to lintian; their services run under
// systemd, see who is on, and are gone when they are purged.
func TestFleet(t *testing.T) {
	m := newMachine(t, debian13)
	dist := filepath.Join(host.dir, "fleet")
	cmd := exec.Command("packaging/fleet/build.sh", "amd64")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "DIST="+dist, "NFPM="+host.nfpm)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("packaging/fleet/build.sh: %v\n%s", err, out)
	}
	m.is("lintian", "lintian --allow-root --no-cfg --fail-on error,warning --tag-display-limit 0 /packages/fleet/*.deb 2>&1 || true", "")
	m.sh("rm -f /var/log/wtmp; install -m 664 -o root -g utmp /dev/null /var/log/wtmp; systemctl mask systemd-firstboot.service systemd-networkd.service >/dev/null 2>&1")
	m.sh("dpkg -i /packages/fleet/*.deb")
	m.is("systemd-analyze verify", "systemd-analyze verify --man=no utmpfleet-agent.service utmpfleet-server.service 2>&1", "")
	for _, unit := range []string{"utmpfleet-agent", "utmpfleet-server"} {
		out := m.sh("systemd-analyze security --no-pager --offline=true /usr/lib/systemd/system/" + unit + ".service")
		if !regexp.MustCompile(`Overall exposure level for \S+: [01]\.\d`).MatchString(out) {
			t.Errorf("%s is exposed:\n%s", unit, out)
		}
	}
	b := m.start()
	b.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
	b.waitFor("the server", "systemctl is-active -q utmpfleet-server")
	b.sh("utmpfleet enroll -o /etc/utmpfleet/host.creds web1 && systemctl restart utmpfleet-agent")
	b.login("alice", "pts/7")
	b.waitFor("alice", "utmpfleet who -user alice -json | grep -q '\"state\":\"present\"'")
	b.waitFor("her login", "utmpfleet last -json | grep -q '\"user\":\"alice\"'")
	b.waitFor("the status", "systemctl show -P StatusText utmpfleet-server | grep -q '^1 connections'")
	b.is("what the services complain of", "journalctl -b -o cat --no-pager -p warning -u utmpfleet-server -u utmpfleet-agent || true", "")
	b.sh("utmpfleet revoke web1 && systemctl kill -s KILL utmpfleet-server")
	b.waitFor("the server again", "utmpfleet status -check")
	b.waitFor("the host is shut out", "journalctl -b -o cat --no-pager -u utmpfleet-agent | grep -q 'refused by the server'")
	b.sh("dpkg -P utmpfleet-server utmpfleet")
	b.sh("! pidof utmpfleet utmpfleet-server; test ! -e /var/lib/utmpfleet-server; test ! -e /var/lib/private/utmpfleet-server; test ! -e /var/lib/private/utmpfleet")
	b.shutDown()
}
