// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// buildFleet builds a package of the fleet in a directory of host.dir, with more in the
// environment.
func buildFleet(t *testing.T, dist, of string, env ...string) {
	t.Helper()
	cmd := exec.Command("packaging/fleet/build.sh", of)
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), append(env, "DIST="+filepath.Join(host.dir, dist), "NFPM="+host.nfpm)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("packaging/fleet/build.sh: %v\n%s", err, out)
	}
}

// TestFleetRPM checks the rpms of the fleet with rpm's own tools, and installs, upgrades and
// removes them. The machine runs Debian, so nothing that they depend on is looked for.
func TestFleetRPM(t *testing.T) {
	m := newMachine(t, debian13)
	version := strings.TrimSpace(string(readFile(t, "../../VERSION")))
	buildFleet(t, "fleet-rpm", "rpm:amd64")
	buildFleet(t, "fleet-rpm-newer", "rpm:amd64", "PACKAGE_VERSION=99")
	m.sh("cd /packages/fleet-rpm && rpm -K *.rpm")
	m.write("/root/known", readFile(t, "../../packaging/fleet/rpmlintrc"), 0o644)
	if out, status := m.try("rpmlint -r /root/known /packages/fleet-rpm/*.rpm"); status != 0 || !strings.Contains(out, " 0 errors, 0 warnings") {
		t.Errorf("rpmlint: status %d\n%s", status, out)
	}
	m.is("what they need", "rpm -qp --requires /packages/fleet-rpm/*.rpm | grep -v ^rpmlib | sort -u", "/bin/sh\nutmpfleet = "+version+"-1")
	m.is("their scripts", "for r in /packages/fleet-rpm/*.rpm; do for s in POSTIN PREUN POSTUN; do rpm -qp --qf \"%{$s}\" $r | shellcheck -s sh -; done; done", "")
	m.is("their owners and groups", "rpm -qp --qf '[%{FILEUSERNAME}:%{FILEGROUPNAME}\\n]' /packages/fleet-rpm/*.rpm | sort -u", "root:root")

	m.sh("rpm -i --nodeps /packages/fleet-rpm/*.rpm")
	enabled := "cd /etc/systemd/system/multi-user.target.wants; ls utmpfleet* | sort"
	m.is("after the installation", "rpm -V --nodeps utmpfleet utmpfleet-server; utmpfleet-server -version >/dev/null; utmpfleet -version >/dev/null; systemd-analyze verify --man=no utmpfleet-agent.service utmpfleet-server.service 2>&1; "+enabled,
		"utmpfleet-agent.service\nutmpfleet-server.service")
	m.sh(`echo secret >/etc/utmpfleet/host.creds
		systemctl disable utmpfleet-server.service 2>/dev/null
		rpm -U --nodeps /packages/fleet-rpm-newer/*.rpm`)
	m.is("after the upgrade", "rpm -q --qf '%{VERSION}\\n' utmpfleet utmpfleet-server; cat /etc/utmpfleet/host.creds; "+enabled, "99\n99\nsecret\nutmpfleet-agent.service")
	m.sh("rpm -e --nodeps utmpfleet utmpfleet-server 2>/dev/null")
	m.is("after the removal", "find / -xdev -name '*utmpfleet*' -not -path '/proc/*' -not -path '/packages/*' -not -path '/var/lib/systemd/*' 2>/dev/null; cat /etc/utmpfleet/host.creds", "/etc/utmpfleet\nsecret")
}

// TestFleet: the packages of the fleet say nothing to lintian; their services run under
// systemd, see who is on, and are gone when they are purged.
func TestFleet(t *testing.T) {
	m := newMachine(t, debian13)
	buildFleet(t, "fleet", "deb:amd64")
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
	cert, key := certificate(t)
	m.write("/etc/ssl/fleet.pem", cert, 0o644)
	m.write("/etc/ssl/fleet.key", key, 0o600)
	b := m.start()
	b.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
	b.waitFor("the server", "systemctl is-active -q utmpfleet-server")
	b.sh("utmpfleet enroll -o /etc/utmpfleet/host.creds web1 && systemctl restart utmpfleet-agent")
	b.login("alice", "pts/7")
	b.waitFor("alice", "utmpfleet who -user alice -json | grep -q '\"state\":\"present\"'")
	b.waitFor("her login", "utmpfleet last -json | grep -q '\"user\":\"alice\"'")
	b.waitFor("the status", "systemctl show -P StatusText utmpfleet-server | grep -q '^1 connections'")

	// As docs/fleet.md says: the service's own user cannot read a key of root's.
	b.sh(`systemctl stop utmpfleet-agent
		mkdir /etc/systemd/system/utmpfleet-server.service.d
		cat >/etc/systemd/system/utmpfleet-server.service.d/tls.conf <<-'END'
		[Service]
		LoadCredential=cert:/etc/ssl/fleet.pem
		LoadCredential=key:/etc/ssl/fleet.key
		Environment="UTMPFLEET_SERVER_OPTIONS=-listen 127.0.0.1:4222 -tls-cert %d/cert -tls-key %d/key"
		END
		printf 'NATS_URL=tls://127.0.0.1:4222\nUTMPFLEET_CA=/etc/ssl/fleet.pem\n' >/etc/default/utmpfleet
		systemctl daemon-reload
		systemctl restart utmpfleet-server
		systemctl start utmpfleet-agent`)
	const tls = "NATS_URL=tls://127.0.0.1:4222 UTMPFLEET_CA=/etc/ssl/fleet.pem "
	b.login("bob", "pts/8")
	b.waitFor("bob, with TLS", tls+"utmpfleet who -user bob -json | grep -q '\"state\":\"present\"'")
	b.is("what the services complain of", "journalctl -b -o cat --no-pager -p warning -u utmpfleet-server -u utmpfleet-agent || true", "")
	b.sh("utmpfleet revoke web1 && systemctl kill -s KILL utmpfleet-server")
	b.waitFor("the server again", tls+"utmpfleet status -check")
	b.waitFor("the host is shut out", "journalctl -b -o cat --no-pager -u utmpfleet-agent | grep -q 'refused by the server'")
	b.sh("dpkg -P utmpfleet-server utmpfleet")
	b.sh("! pidof utmpfleet utmpfleet-server; test ! -e /var/lib/utmpfleet-server; test ! -e /var/lib/private/utmpfleet-server; test ! -e /var/lib/private/utmpfleet")
	b.shutDown()
}

// certificate returns one of 127.0.0.1 that vouches for itself, and its key, in PEM.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}
